/** Where calls get their token from. */
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

/** Gives a token. `refresh` is true when the last one was refused: a cached one is of no use then. */
export type TokenSource = (ask: { refresh: boolean }) => string | Promise<string>;

/** Puts the token into each call. A unary call whose token is refused is tried once more with a fresh one. */
export function authenticate(source: TokenSource): Interceptor {
  return (next) => async (request) => {
    const token = await source({ refresh: false });
    request.header.set("authorization", `Bearer ${token}`);
    try {
      return await next(request);
    } catch (error) {
      if (request.stream || ConnectError.from(error).code !== Code.Unauthenticated) throw error;
      const fresh = await source({ refresh: true });
      if (fresh === token) throw error;
      request.header.set("authorization", `Bearer ${fresh}`);
      return await next(request);
    }
  };
}

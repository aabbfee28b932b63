/** Sign-in with a token; a demo server fills it in. */
import { useEffect, useState } from "preact/hooks";

import { type DemoToken, fetchDemoToken, signedOutBecause, signIn } from "../state/session";
import { Icon, Logo } from "./icon";

const DEMO_ROLES = [
  ["user", "Customer"],
  ["agent", "Agent"],
  ["admin", "Administrator"],
] as const;

export function SignIn() {
  const [role, setRole] = useState("user");
  const [demo, setDemo] = useState<DemoToken>();
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState("");

  useEffect(() => {
    let current = true;
    void fetchDemoToken(role).then((found) => {
      if (!current || found === undefined) return;
      setDemo(found);
      setToken(found.token);
    });
    return () => {
      current = false;
    };
  }, [role]);

  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    setProblem(signIn(token, token === demo?.token) ?? "");
  };

  return (
    <main class="sign-in">
      <form class="sign-in-card" onSubmit={submit}>
        <Logo size={44} />
        <h1>Welcome to Deskwire</h1>
        <p class="sign-in-lead">Cited answers from your help centre.</p>
        {signedOutBecause.value !== "" && (
          <p class="callout callout-warn" role="alert"><Icon name="info" size={16} /> {signedOutBecause.value}</p>
        )}
        {demo && (
          <fieldset class="segments">
            <legend>Try the demo as</legend>
            {DEMO_ROLES.map(([value, label]) => (
              <label key={value} class="segment">
                <input type="radio" name="role" value={value} checked={role === value} onChange={() => setRole(value)} />
                <span>{label}</span>
              </label>
            ))}
          </fieldset>
        )}
        <label class="field">
          <span>Access token</span>
          <textarea
            class="input token-input"
            rows={3}
            spellcheck={false}
            autocomplete="off"
            placeholder="Paste your token"
            value={token}
            aria-invalid={problem !== ""}
            aria-describedby="token-help"
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <p id="token-help" class={problem ? "help help-bad" : "help"} role={problem ? "alert" : undefined}>
          {problem || (demo ? `Filled in for the demo: you are ${demo.user}.` : "Your administrator gives you one.")}
        </p>
        <button class="button button-primary button-wide" disabled={token.trim() === ""}>Sign in</button>
      </form>
    </main>
  );
}

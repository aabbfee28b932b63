/** Builds the page, and serves it while it is worked on. */
import { loadEnv } from "vite";
import { defineConfig } from "vitest/config";

export default defineConfig(({ mode }) => ({
  // The stubs lie outside this folder and find their runtime here.
  resolve: { dedupe: ["@bufbuild/protobuf"] },
  define: { __MOCK__: JSON.stringify(mode === "mock") },
  build: {
    target: "es2022",
    // The content security policy allows neither inline code nor data: fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: {
    host: "127.0.0.1",
    fs: { allow: ["../.."] },
    proxy: mode === "mock" ? {} : { "^/(deskwire\\.|v1/|demo-token)": serverAt(mode) },
  },
  test: { include: ["tests/**/*.test.{ts,tsx}"], environment: "node" },
}));

/** Address of the server that `npm run dev:server` passes calls on to. */
function serverAt(mode: string): string {
  return loadEnv(mode, ".", "DESKWIRE_")["DESKWIRE_URL"] ?? "http://127.0.0.1:8001";
}

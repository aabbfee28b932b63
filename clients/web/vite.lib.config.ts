/** Builds the client alone, with the stubs inside and their runtime left to the one who uses it. */
import { defineConfig } from "vite";

export default defineConfig({
  resolve: { dedupe: ["@bufbuild/protobuf"] },
  publicDir: false,
  build: {
    target: "es2022",
    outDir: "dist-lib",
    minify: false,
    lib: { entry: "src/lib/index.ts", formats: ["es"], fileName: "index" },
    rolldownOptions: { external: [/^@bufbuild\//, /^@connectrpc\//] },
  },
});

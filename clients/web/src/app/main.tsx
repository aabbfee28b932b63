/** Starts the page. */
import { render } from "preact";

import "@fontsource-variable/inter/wght.css";
import "./styles/base.css";
import "./styles/layout.css";
import "./styles/chat.css";
import "./styles/prose.css";
import "./styles/knowledge.css";
import { applyTheme } from "./state/theme";
import { App } from "./ui/app";

applyTheme();
const root = document.getElementById("app");
if (root === null) throw new Error("index.html has no #app");
render(<App />, root);

// SPDX-License-Identifier: Apache-2.0
// The page: a login, then one section at a time, chosen by the part of the address behind #.

import * as api from "./api.js";
import { field, form, h, say } from "./dom.js";
import accounts from "./views/accounts.js";
import audit from "./views/audit.js";
import jobs from "./views/jobs.js";
import keys from "./views/keys.js";
import models from "./views/models.js";
import overview from "./views/overview.js";
import security from "./views/security.js";
import settings from "./views/settings.js";
import usage from "./views/usage.js";

const SECTIONS = { overview, keys, accounts, jobs, models, usage, settings, audit, security };

const AGAIN = 5000;

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const logout = document.getElementById("logout");
let shown = 0;

const title = (name) => name[0].toUpperCase() + name.slice(1);

nav.append(...Object.keys(SECTIONS).map((name) => h("a", { href: `#${name}` }, title(name))));

/** Put a section there. One that is drawn again keeps its heading, and the focus where it was. */
function put(heading, content, quietly) {
  const before = main.querySelector("h1");
  const label = main.contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
  if (quietly && before?.textContent === heading.textContent) {
    while (before.nextSibling) before.nextSibling.remove();
    main.append(...content);
    if (label) main.querySelector(`[aria-label="${CSS.escape(label)}"]`)?.focus({ preventScroll: true });
    return;
  }
  main.replaceChildren(heading, ...content);
  heading.focus();
}

/** Draw the section again; a later drawing wins over an earlier one that is still being fetched. */
async function draw({ quietly = false } = {}) {
  const name = location.hash.slice(1) in SECTIONS ? location.hash.slice(1) : "overview";
  const turn = ++shown;
  for (const link of nav.children) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${title(name)} - harken administration`;
  const heading = h("h1", { tabindex: "-1" }, title(name));
  try {
    const current = () => turn === shown && !nav.hidden;
    const content = await SECTIONS[name]({ redraw: () => draw({ quietly: true }), current });
    if (!current()) return;
    put(heading, content, quietly);
  } catch (error) {
    if (turn !== shown || nav.hidden) return;
    put(heading, [h("p", { class: "bad" }, error.message)], quietly);
    if (quietly) setTimeout(() => turn === shown && draw({ quietly }), AGAIN);
  }
}

function enter() {
  nav.hidden = logout.hidden = false;
  say("");
  draw();
}

function leave(told = "") {
  shown++;
  nav.hidden = logout.hidden = true;
  document.title = "harken administration";
  const password = h("input", { type: "password", name: "password", autocomplete: "current-password", required: true });
  main.replaceChildren(form(
    [h("h1", {}, "Log in"), field("Administrator's password", password,
      "The first start of the server printed it. Lost: harken keys admin-password makes another.")],
    "Log in",
    async (data) => {
      await api.logIn(data.get("password"));
      enter();
    },
    { kind: "login sheet" },
  ));
  say(told);
  password.focus();
}

logout.addEventListener("click", async () => {
  try {
    await api.logOut();
    leave("You are logged out.");
  } catch (error) {
    say(error.message, "bad");
  }
});
addEventListener("hashchange", () => {
  if (location.hash === "#main") return;
  if (!nav.hidden) {
    say("");
    draw();
  }
});
addEventListener("harken-left", (event) => leave(event.detail));
api.whenGone(() => leave("The session has ended. Log in again."));

try {
  if (await api.resume()) enter();
  else leave();
} catch {
  leave("The server does not answer.");
}

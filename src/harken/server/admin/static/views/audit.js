// SPDX-License-Identifier: Apache-2.0
import { get } from "../api.js";
import { button, h, table } from "../dom.js";
import { mono, when } from "../format.js";

const COLUMNS = [
  ["When", (entry) => when(entry.at)],
  ["Who", (entry) => entry.actor],
  ["What", (entry) => entry.action],
  ["To", (entry) => (entry.subject ? mono(entry.subject) : "")],
  ["", (entry) => (Object.keys(entry.detail).length ? mono(JSON.stringify(entry.detail)) : "")],
];

export default async function audit() {
  const pages = h("div");
  async function add(before) {
    const page = await get(`audit?limit=100${before ? `&before=${before}` : ""}`);
    pages.lastElementChild?.remove();
    const more = page.next ? button("Older entries", () => add(page.next)) : null;
    pages.append(table("Changes, newest first", COLUMNS, page.entries), h("p", {}, more ?? ""));
  }
  await add(null);
  return [pages];
}

// SPDX-License-Identifier: Apache-2.0
// Elements, without markup in strings: what the server tells is only ever text.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

let ids = 0;

/** A labelled input. */
export function field(label, input, hint = null) {
  input.id = `field-${++ids}`;
  const parts = [h("label", { for: input.id }, label), input];
  if (hint) {
    const told = h("div", { class: "hint", id: `${input.id}-hint` }, hint);
    input.setAttribute("aria-describedby", told.id);
    parts.push(told);
  }
  return h("div", {}, parts);
}

/** A choice; options are [value, text]. */
export function select(name, options, value = "") {
  return h("select", { name }, options.map(([one, text]) => h("option", { value: one, selected: one === value }, text)));
}

/** A table; columns are [heading, how a row's cell is made, class of the cell]. */
export function table(caption, columns, rows, none = "Nothing yet.") {
  if (!rows.length) return h("p", { class: "faint" }, none);
  const cell = (row) => ([, draw, kind]) => h("td", { class: kind }, draw(row));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", {},
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map(([heading, , kind]) => h("th", { scope: "col", class: kind }, heading)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, columns.map(cell(row)))))));
}

/** A form that does something; its button waits until that is done. */
export function form(parts, verb, act, { kind = null } = {}) {
  const button = h("button", { type: "submit" }, verb);
  const made = h("form", { class: kind, onsubmit: async (event) => {
    event.preventDefault();
    await busy(button, () => act(new FormData(made), made));
  } }, parts, h("div", {}, button));
  return made;
}

/** A button that does something, and says so to nobody else meanwhile. */
export function button(text, act, { kind = null, label = null } = {}) {
  const made = h("button", { type: "button", class: kind, "aria-label": label, onclick: () => busy(made, act) }, text);
  return made;
}

async function busy(control, act) {
  // What is behind an open dialog is neither seen nor heard: there, errors are told in it.
  const dialog = control.closest("dialog[open]");
  dialog?.querySelector("[role=alert]")?.remove();
  control.disabled = true;
  try {
    await act();
  } catch (error) {
    if (dialog?.open) dialog.append(h("p", { class: "bad", role: "alert" }, error.message));
    else say(error.message, "bad");
  } finally {
    control.disabled = false;
  }
}

/** Ask before what cannot be taken back. */
export function sure(question, verb) {
  return new Promise((resolve) => {
    const asked = h("dialog", { onclose: () => { asked.remove(); resolve(asked.returnValue === "yes"); } },
      h("p", {}, question),
      h("form", { method: "dialog", class: "row" },
        h("button", { value: "no", autofocus: true, type: "submit", class: "plain" }, "No"),
        h("button", { value: "yes", type: "submit" }, verb)));
    document.body.append(asked);
    asked.showModal();
  });
}

/** Show something in front of the page, until it is closed. */
export function show(title, ...content) {
  return new Promise((resolve) => {
    const shown = h("dialog", { onclose: () => { shown.remove(); resolve(); } },
      h("h2", {}, title), content,
      h("form", { method: "dialog", class: "row" }, h("button", { type: "submit" }, "Close")));
    document.body.append(shown);
    shown.showModal();
  });
}

/** Tell what happened, in the line that screen readers follow. */
export function say(text, kind = "") {
  const line = document.getElementById("said");
  line.className = kind;
  line.textContent = text;
}

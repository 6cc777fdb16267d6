// SPDX-License-Identifier: Apache-2.0
// The API under /admin/api, with this session's CSRF token on every request that changes something.

let csrf = null;
let onGone = () => {};

/** Called when the server does not know the session any more. */
export function whenGone(act) {
  onGone = act;
}

export async function call(method, path, body = undefined) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
  let response;
  try {
    response = await fetch(`/admin/api/${path}`, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Error("The server does not answer.");
  }
  const told = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return told;
  // A wrong password is no end of the session.
  if (response.status === 401 && csrf && path !== "password") {
    csrf = null;
    onGone();
  }
  throw new Error(told?.error?.message ?? `The server answered ${response.status}.`);
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
export const patch = (path, body) => call("PATCH", path, body);
export const remove = (path) => call("DELETE", path);

/** Whether there is a session already. */
export async function resume() {
  const response = await fetch("/admin/api/session");
  if (!response.ok) return false;
  csrf = (await response.json()).csrf;
  return true;
}

export async function logIn(password) {
  csrf = (await call("POST", "login", { password })).csrf;
}

export async function logOut() {
  await post("logout");
  csrf = null;
}

export function forget() {
  csrf = null;
}

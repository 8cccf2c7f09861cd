/**
 * Who is looking at a page: asked of the server, shown with a way out, and led to the login page when the server no longer knows them.
 */

/** @typedef {{ user: string | null, open: boolean, session: boolean, rights: Record<"view" | "publish" | "control" | "admin", string[]> | null }} Who */

/** @returns {Promise<Who | null>} null if the server does not answer */
export const askWho = () => session(location.search);

/** @param {string} query @returns {Promise<Who | null>} */
async function session(query) {
  try {
    const response = await fetch("/api/v1/session" + query, { signal: AbortSignal.timeout(5000) });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** Whether somebody may do this with a stream of that name. @param {Who | null} who @param {"view" | "publish"} right @param {string} name */
export function may(who, right, name) {
  if (!who?.rights) return who?.open === true;
  return [...who.rights[right], ...who.rights.admin].some((pattern) => covers(pattern, name));
}

/** Whether a pattern of names means this one: `*` stands for any run of characters. @param {string} pattern @param {string} name */
export function covers(pattern, name) {
  const pieces = pattern.split("*");
  if (pieces.length === 1) return pattern === name;
  const last = pieces.pop() ?? "";
  const first = pieces.shift() ?? "";
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  let at = first.length;
  for (const piece of pieces) {
    const found = name.indexOf(piece, at);
    if (found < 0 || found + piece.length > name.length - last.length) return false;
    at = found + piece.length;
  }
  return true;
}

/** A path of this server to go on to, whatever an address says: nobody is led elsewhere. @param {string | null} next */
export function localPath(next) {
  try {
    const url = new URL(next ?? "/", location.origin);
    return url.origin === location.origin && url.pathname !== "/login" ? url.pathname + url.search + url.hash : "/";
  } catch {
    return "/";
  }
}

/** To the login page and, from there, back here. */
export function goToLogin() {
  location.replace(`/login?next=${encodeURIComponent(location.pathname + location.search + location.hash)}`);
}

/**
 * Puts the token that opened this page into a session, so that it need not stay where it is seen, kept and copied.
 *
 * Only where nobody is logged in: a link on another page must not put its reader into somebody else's session. Then, and in a frame of another page, where
 * there is no cookie, the token stays in the address, and counts for this page alone.
 */
export async function hideToken() {
  const url = new URL(location.href);
  const token = url.searchParams.get("token");
  if (!token || window.top !== window || !navigator.cookieEnabled) return;
  const before = await session("");
  if (!before) return;
  if (before.user === null && !before.open) {
    const credentials = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }) };
    const answer = await fetch("/login", credentials).catch(() => null);
    if (!answer?.ok) return;
  } else if (!before.open && before.user !== (await session(location.search))?.user) return;
  url.searchParams.delete("token");
  history.replaceState(history.state, "", url.pathname + url.search + url.hash);
}

/** Shows a name and a way to log out, or a way to log in. @param {HTMLElement} place */
export async function showWho(place) {
  const who = await askWho();
  place.hidden = !who || who.open || (who.user !== null && !who.session);
  if (!who || place.hidden) return;
  const button = Object.assign(document.createElement("button"), { className: "button", type: "button" });
  if (who.user === null) {
    button.textContent = "Log in";
    button.onclick = goToLogin;
    place.replaceChildren(button);
    return;
  }
  const name = Object.assign(document.createElement("span"), { className: "name", textContent: who.user, title: `You are ${who.user}` });
  button.textContent = "Log out";
  button.onclick = async () => {
    button.disabled = true;
    const answer = await fetch("/logout", { method: "POST" }).catch(() => null);
    button.disabled = false;
    if (answer?.ok) location.replace("/login");
  };
  place.replaceChildren(name, button);
}

/**
 * Who is looking at a page: asked of the server, shown with a way out, and led to the login page when the server no longer knows them.
 */

/** @typedef {{ user: string | null, open: boolean, session: boolean, rights: Record<"view" | "publish" | "admin", string[]> | null }} Who */

/** @returns {Promise<Who | null>} null if the server does not answer */
export async function askWho() {
  try {
    const response = await fetch("/api/v1/session" + location.search, { signal: AbortSignal.timeout(5000) });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
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
 * A token that opened this page is in a cookie now; it need not stay where it is seen, kept and copied. In a frame of another page there
 * is no cookie, so there it stays.
 */
export function hideToken() {
  const url = new URL(location.href);
  if (!url.searchParams.has("token") || window.top !== window || !navigator.cookieEnabled) return;
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

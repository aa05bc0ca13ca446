// The page's state lives in the URL's hash: a path, such as claims/C07, and parameters after a question mark.

const listeners = [];

export function read() {
  const [path, query = ""] = location.hash.slice(1).split("?"); // what is not well-formed is no error
  return { path: path.split("/").filter(Boolean), params: new URLSearchParams(query) };
}

function text({ path, params }) {
  const query = params.toString();
  return `#${path.join("/")}${query ? `?${query}` : ""}`;
}

// Go to a place; the way back leads to where one was.
export function go(path, params = new URLSearchParams()) {
  location.hash = text({ path, params });
}

// Keep a change of what is shown, without a step back for each.
export function keep(changes) {
  const now = read();
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined) now.params.delete(name);
    else now.params.set(name, value);
  }
  history.replaceState(null, "", text(now));
}

export function onChange(listener) {
  listeners.push(listener);
}

export function begin() {
  const tell = () => listeners.forEach((listener) => listener(read()));
  addEventListener("hashchange", tell);
  tell();
}

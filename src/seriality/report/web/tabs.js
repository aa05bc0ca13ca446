// Tabs, of the page and of the demos: arrow keys move between them, the hash says which is open.

import { go, onChange, read } from "./state.js";

// `list` holds links with role "tab" whose href is a hash; `depth` is the place of a tab's name in the path.
export function tabs(list, depth, opened = () => {}) {
  const every = [...list.querySelectorAll('[role="tab"]')];
  const names = every.map((tab) => tab.getAttribute("href").slice(1).split("/")[depth]);

  function show(place) {
    const found = names.indexOf(place.path[depth]);
    const chosen = found === -1 ? 0 : found;
    every.forEach((tab, i) => {
      const panel = document.getElementById(tab.getAttribute("aria-controls"));
      tab.setAttribute("aria-selected", String(i === chosen));
      tab.tabIndex = i === chosen ? 0 : -1;
      panel.hidden = i !== chosen;
    });
    list.scrollLeft = every[chosen].offsetLeft - list.offsetLeft - (list.clientWidth - every[chosen].offsetWidth) / 2;
    opened(names[chosen], place);
  }

  list.addEventListener("keydown", (event) => {
    const at = every.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -at, End: every.length - 1 - at }[event.key];
    if (at === -1 || step === undefined) return;
    event.preventDefault();
    const next = every[(at + step + every.length) % every.length];
    next.focus();
    next.click();
  });
  list.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (tab === null) return;
    event.preventDefault();
    go(tab.getAttribute("href").slice(1).split("/"));
  });
  onChange((place) => {
    if (depth === 0 || names.length === 0 || read().path[depth - 1] === list.dataset.within) show(place);
  });
}

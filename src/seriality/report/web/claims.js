// The list of claims: a filter by verdict, and the claim that the hash names is opened.

import { onChange } from "./state.js";

export function start() {
  const list = document.getElementById("claim-list");
  if (list === null) return;
  const every = [...list.querySelectorAll("details.claim")];
  const filter = document.getElementById("claim-filter");
  const told = document.getElementById("claim-count");
  function choose(status) {
    every.forEach((each) => { each.hidden = status !== "all" && each.dataset.status !== status; });
    const left = every.filter((each) => !each.hidden).length;
    told.textContent = `${left} of ${every.length} claims`;
  }
  filter.addEventListener("change", (event) => choose(event.target.value));
  choose("all");
  onChange(({ path }) => {
    if (path[0] !== "claims" || path[1] === undefined) return;
    const found = every.find((each) => each.id === `claim-${path[1]}`);
    if (found === undefined) return;
    if (found.hidden) {
      filter.querySelector('[value="all"]').checked = true;
      choose("all");
    }
    found.open = true;
    requestAnimationFrame(() => found.scrollIntoView({ block: "start" }));
  });
}

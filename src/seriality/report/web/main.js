// The page's program: tabs, charts, records, claims and demos.

import { start as charts } from "./charts.js";
import { start as claims } from "./claims.js";
import { start as curves } from "./curves.js";
import { start as explore } from "./explore.js";
import { start as records } from "./records.js";
import { begin } from "./state.js";
import { tabs } from "./tabs.js";

document.documentElement.classList.add("scripted");
charts();
tabs(document.getElementById("tabs"), 0);
claims();
records();
curves();
explore();
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // its address is none of a part
  document.getElementById("main").focus();
});
begin();
document.documentElement.dataset.ready = "";

// Start the views, and show the one that the address names: #draw, #draw/ID, #map or #compare.

import * as api from "./api.js";
import { startCompare } from "./compare.js";
import { byId } from "./dom.js";
import { askStored, startDraw } from "./draw.js";
import { placeQuery, showMap, startMap } from "./map.js";

const VIEWS = ["draw", "map", "compare"];

// The token has become a cookie; it need not stay in the address.
if (location.search) history.replaceState(null, "", location.pathname + location.hash);

// To follow it would lose the address, which names the view.
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); byId("view").focus(); });

let shown = null; // the generation whose facts are shown

try {
  const info = await api.info();
  showFacts(info);
  api.watchIndex(keepFacts);
  startDraw(info, placeQuery);
  startMap(info, (id) => { location.hash = `#draw/${id}`; });
  startCompare(info);
  addEventListener("hashchange", route);
  route();
} catch (error) {
  byId("facts").textContent = error.message;
}

// Of another generation there are other facts; where they cannot be had, the next answer asks again.
async function keepFacts(generation) {
  if (generation === shown) return;
  const before = shown;
  shown = generation;
  try {
    showFacts(await api.info());
  } catch {
    shown = before;
  }
}

function showFacts({ generation, count, dataset }) {
  shown = generation;
  byId("facts").textContent = `${count.toLocaleString("en")} digits of ${dataset.name ?? dataset}`;
}

// Anybody can write an address by hand.
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function route() {
  const [, name, id] = /^#([a-z]*)(?:\/(.*))?$/.exec(location.hash) ?? [];
  const view = VIEWS.includes(name) ? name : "draw";
  for (const one of VIEWS) byId(one).hidden = one !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${{ draw: "Draw", map: "Map", compare: "Compare" }[view]} · digit-search`;
  if (view === "draw") askStored(id ? decoded(id) : null);
  if (view === "map") showMap();
}

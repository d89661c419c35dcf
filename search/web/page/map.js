// The second view: stored digits as points of a plane, and the one asked about among them.

import * as api from "./api.js";
import { byId, colour, drawPixels, make, say } from "./dom.js";

const NEAR = 18; // pixels from which a point is pointed at
const MARGIN = 28;

let map = null; // columns x, y, label, id
let colours = new Map();
let query = null; // {place, label, input}
let pointed = -1;
let opened = () => {};

// Start the view; `open` is called with the id of a digit that is clicked.
export function startMap(info, open) {
  opened = open;
  const names = info.names.map(String);
  colours = new Map(names.map((name, place) => [name, `--class-${place % 10}`]));
  byId("classes").replaceChildren(...names.map((name) => {
    const dot = make("span", { class: "dot", "aria-hidden": "true" });
    dot.style.background = `var(${colours.get(name)})`;
    return make("li", {}, dot, name);
  }));
  const plane = byId("plane");
  new ResizeObserver(paint).observe(plane);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  plane.addEventListener("pointermove", (event) => point(nearest(event)));
  // A finger cannot hover: it points with one tap, and opens with another.
  let before = -1;
  plane.addEventListener("pointerdown", (event) => { before = pointed; point(nearest(event)); });
  plane.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") point(-1); });
  plane.addEventListener("click", (event) => {
    if (pointed >= 0 && (event.pointerType !== "touch" || pointed === before)) opened(map.id[pointed]);
  });
  plane.addEventListener("keydown", onKey);
}

// Show the view; the points are fetched once for each generation of the index.
export async function showMap() {
  try {
    const { generation } = await api.info();
    if (map?.generation !== generation) {
      map = await api.points();
      pointed = -1;
    }
    byId("map-failure").textContent = "";
  } catch (error) {
    byId("map-failure").textContent = error.message;
  }
  paint();
  if (pointed < 0) point(-1);
}

// Place the digit that is asked about; null where it has no answer.
export function placeQuery(answer) {
  query = answer?.place ? answer : null;
  paint();
  if (map && pointed < 0) point(-1);
}

function screen() {
  const plane = byId("plane");
  const [width, height] = [plane.clientWidth, plane.clientHeight];
  const ends = (values) => [Math.min(...values), Math.max(...values)];
  const [[left, right], [low, high]] = [ends(map.x), ends(map.y)];
  const scale = Math.min((width - 2 * MARGIN) / (right - left || 1), (height - 2 * MARGIN) / (high - low || 1));
  const [middle, centre] = [(left + right) / 2, (low + high) / 2];
  const clamp = (value, most) => Math.min(most - 8, Math.max(8, value));
  return {
    width,
    height,
    at: (x, y) => [clamp(width / 2 + (x - middle) * scale, width), clamp(height / 2 - (y - centre) * scale, height)],
  };
}

function paint() {
  const plane = byId("plane");
  if (!map || !plane.clientWidth) return;
  const { width, height, at } = screen();
  const ratio = devicePixelRatio;
  if (plane.width !== Math.round(width * ratio) || plane.height !== Math.round(height * ratio)) {
    plane.width = Math.round(width * ratio);
    plane.height = Math.round(height * ratio);
  }
  const context = plane.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  for (const [name, variable] of colours) {
    context.fillStyle = colour(variable);
    context.globalAlpha = 0.55;
    map.label.forEach((label, place) => {
      if (String(label) !== name) return;
      const [x, y] = at(map.x[place], map.y[place]);
      context.beginPath();
      context.arc(x, y, 2.4, 0, 2 * Math.PI);
      context.fill();
    });
  }
  context.globalAlpha = 1;
  if (query) paintQuery(context, at(...query.place[0]));
  paintNames(context, at);
  if (pointed >= 0) ring(context, at(map.x[pointed], map.y[pointed]), 7, colour("--text"), 2);
}

// The name of each class where half of its digits lie to each side.
function paintNames(context, at) {
  context.font = "600 17px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const name of colours.keys()) {
    const places = [...map.label.keys()].filter((place) => String(map.label[place]) === name);
    if (!places.length) continue;
    const [x, y] = at(median(places.map((place) => map.x[place])), median(places.map((place) => map.y[place])));
    context.lineWidth = 5;
    context.strokeStyle = colour("--surface");
    context.strokeText(name, x, y);
    context.fillStyle = colour("--text");
    context.fillText(name, x, y);
  }
}

function paintQuery(context, [x, y]) {
  ring(context, [x, y], 11, colour("--surface"), 6);
  ring(context, [x, y], 11, colour("--accent"), 3);
  context.beginPath();
  context.arc(x, y, 3.5, 0, 2 * Math.PI);
  context.fillStyle = colour("--accent");
  context.fill();
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = "left";
  context.lineWidth = 5;
  context.strokeStyle = colour("--surface");
  context.strokeText("yours", x + 17, y);
  context.fillText("yours", x + 17, y);
}

function ring(context, [x, y], radius, ink, width) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.lineWidth = width;
  context.strokeStyle = ink;
  context.stroke();
}

function nearest(event) {
  if (!map) return -1;
  const box = byId("plane").getBoundingClientRect();
  const { at } = screen();
  return closest(event.clientX - box.left, event.clientY - box.top, at, () => true, NEAR);
}

function closest(x, y, at, isAllowed, most) {
  let [best, found] = [most, -1];
  map.x.forEach((_, place) => {
    const [right, down] = at(map.x[place], map.y[place]);
    const distance = Math.hypot(right - x, down - y);
    if (distance < best && isAllowed(right - x, down - y)) [best, found] = [distance, place];
  });
  return found;
}

function point(place) {
  if (place === pointed && place >= 0) return;
  pointed = place;
  paint();
  byId("plane").classList.toggle("pointing", place >= 0);
  if (place >= 0) {
    byId("pointed-text").textContent = `${map.label[place]} · ${map.id[place]}`;
    showThumbnail(map.id[place]);
  } else if (query) {
    byId("pointed-text").textContent = `Yours${query.label === null ? "" : `, named ${query.label}${query.verdict === "match" ? "" : "?"}`}. Point at a digit to see it.`;
    drawPixels(byId("pointed"), query.input);
  } else {
    byId("pointed-text").textContent = "Point at a digit to see it.";
    drawPixels(byId("pointed"), null);
  }
}

function showThumbnail(id) {
  const image = new Image();
  image.onload = () => {
    if (pointed >= 0 && map.id[pointed] === id) byId("pointed").getContext("2d").drawImage(image, 0, 0);
  };
  image.src = api.thumbnail(id);
}

// Arrow keys go to the nearest digit in that direction, Enter asks about it.
function onKey(event) {
  const ways = {
    ArrowLeft: (right, down) => -right > Math.abs(down),
    ArrowRight: (right, down) => right > Math.abs(down),
    ArrowUp: (right, down) => -down > Math.abs(right),
    ArrowDown: (right, down) => down > Math.abs(right),
  };
  if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own
  if (event.key === "Enter" && pointed >= 0) { opened(map.id[pointed]); return; }
  if (!(event.key in ways) || !map) return;
  event.preventDefault();
  const { at, width, height } = screen();
  const [x, y] = pointed >= 0 ? at(map.x[pointed], map.y[pointed]) : [width / 2, height / 2];
  const next = closest(x, y, at, ways[event.key], Infinity);
  if (next < 0) return;
  point(next);
  say(`${map.label[next]}, ${map.id[next]}`);
}

function median(values) {
  const ordered = [...values].sort((a, b) => a - b);
  return ordered[Math.floor(ordered.length / 2)];
}

// One answer: the name, why, what the model saw, the votes and the neighbours. Every part keeps its
// place whatever the answer, so that nothing moves while a person draws.

import { thumbnail } from "./api.js";
import { byId, drawPixels, make, percent, say } from "./dom.js";

const REASONS = {
  "blank": "Nothing to name",
  "not-a-digit": "Not a digit",
  "too-far": "Like no digit I know",
  "split-vote": "The neighbours disagree",
};
const MOST_CLASSES = 10;

let names = [];
let slots = 0;

// Lay out empty places for the votes of classes `known`, unless there are too many of them, and for
// `count` neighbours.
export function layOut(known, count) {
  names = known.map(String);
  slots = count;
  showAnswer({ verdict: "abstain", votes: {}, neighbours: [] });
}

// The name as it is shown: a guess has a question mark, as in the tables of the command line.
export function named({ label, reason }) {
  return `${label ?? "–"}${reason && label !== null ? "?" : ""}`;
}

// Show an answer of the API; `asked` is called with the id of a neighbour that is clicked.
export function showAnswer(answer, asked) {
  const isSure = answer.verdict === "match";
  const hasName = answer.label !== null && answer.label !== undefined;
  byId("name").textContent = named(answer);
  byId("name").classList.toggle("guess", !isSure);
  byId("name").style.setProperty("--length", byId("name").textContent.length);
  const headline = isSure ? `${percent(answer.confidence, 1)} sure` : REASONS[answer.reason] ?? "";
  byId("headline").textContent = headline;
  byId("detail").textContent = isSure ? agreement(answer) : sentence(answer.detail, hasName);
  drawPixels(byId("saw"), answer.input);
  showVotes(answer);
  showNeighbours(answer.neighbours, asked);
  if (headline) say(isSure ? `${answer.label}, ${headline}` : `No name: ${headline}. ${answer.detail}`);
}

// Show that the question could not be asked.
export function showError(error) {
  showAnswer({ verdict: "abstain", votes: {}, neighbours: [] });
  byId("headline").textContent = "No answer";
  byId("detail").textContent = sentence(error.message, false);
  say(error.message);
}

function agreement(answer) {
  const agreeing = answer.neighbours.filter((one) => one.label === answer.label).length;
  return `${agreeing} of ${answer.neighbours.length} nearest digits agree`;
}

function sentence(detail, isGuess) {
  if (!detail) return "";
  const text = detail[0].toUpperCase() + detail.slice(1);
  const ended = /[.?!]$/.test(text) ? text : `${text}.`;
  return isGuess ? `A guess. ${ended}` : ended;
}

function showVotes(answer) {
  const hasRoom = names.length <= MOST_CLASSES;
  const shown = hasRoom ? names : mostVoted(answer.votes).slice(0, MOST_CLASSES);
  const bars = shown.map((name) => {
    const share = answer.votes[name] ?? 0;
    const bar = make("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", share);
    const item = make("li", {}, bar, make("span", { class: "class" }, name), make("span", { class: "unseen" }, ` ${percent(share)}`));
    item.classList.toggle("winner", share > 0 && String(answer.label) === name);
    return item;
  });
  byId("votes").replaceChildren(...bars);
}

function mostVoted(votes) {
  return names.filter((name) => votes[name]).sort((one, other) => votes[other] - votes[one]);
}

function showNeighbours(neighbours, asked) {
  const list = byId("neighbours");
  while (list.children.length < Math.max(slots, neighbours.length)) list.append(emptySlot());
  while (list.children.length > Math.max(slots, neighbours.length)) list.lastChild.remove();
  [...list.children].forEach((item, place) => fillSlot(item, neighbours[place], asked));
}

function emptySlot() {
  const image = make("img", { alt: "", width: 28, height: 28, decoding: "sync" });
  const button = make("button", { type: "button" }, make("span", { class: "thumbnail" }, image), make("span", { class: "class" }), make("span", { class: "distance" }), make("span", { class: "id" }));
  return make("li", {}, button);
}

function fillSlot(item, neighbour, asked) {
  const button = item.firstChild;
  const [{ firstChild: image }, label, distance, id] = button.children;
  item.ariaHidden = String(!neighbour);
  button.disabled = !neighbour;
  image.hidden = !neighbour;
  button.onclick = neighbour ? () => asked(neighbour.id) : null;
  const source = neighbour ? thumbnail(neighbour.id) : null;
  if (!source) image.removeAttribute("src");
  else if (image.getAttribute("src") !== source) image.src = source;
  label.textContent = neighbour?.label ?? "";
  distance.textContent = neighbour ? neighbour.distance.toFixed(2) : "";
  id.textContent = neighbour?.id ?? "";
  button.title = neighbour ? `${neighbour.file ?? neighbour.id}, distance ${neighbour.distance.toFixed(3)}` : "";
}

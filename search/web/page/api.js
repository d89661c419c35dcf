// The HTTP API of this server: what it answers, or an Error with its one line; `passes` where it may
// soon answer after all, `isPast` where the index is no longer what the request is about.

const JSON_TYPE = "application/json";
const WAIT = 80; // ms
const RETRY = 3000; // ms
const BUSY = 503;
const CONFLICT = 409;
const GENERATION = "index-generation"; // of the index, a header
const UNNAMED = /^-(\[0\])?: /; // what the API calls the body of a request

let told = () => {};

// Call `tell` with the generation of the index, whenever an answer tells of it.
export function watchIndex(tell) { told = tell; }

async function ask(method, path, body) {
  const headers = typeof body === "string" ? { "Content-Type": JSON_TYPE } : {};
  let response;
  try {
    response = await fetch(path, { method, body, headers });
  } catch {
    throw Object.assign(new Error("The server does not answer. Is it still running?"), { passes: true });
  }
  const answer = await response.json();
  const generation = response.headers.get(GENERATION);
  if (generation) told(Number(generation));
  if (!response.ok) {
    const isPast = response.status === CONFLICT && generation !== null;
    throw Object.assign(new Error(answer.error.replace(UNNAMED, "")), { passes: response.status === BUSY, isPast });
  }
  return answer;
}

const query = (options) => new URLSearchParams(options).toString();
const encoded = (id) => id.split("/").map(encodeURIComponent).join("/");

export const info = () => ask("GET", "api/info");
export const points = () => ask("GET", "api/map");
export const undo = (generation) => ask("POST", `api/undo?${query({ generation })}`);
export const thumbnail = (id) => `api/items/${encoded(id)}.png`;

// Always an array, also of one answer.
export async function classify(body, options = {}) {
  const search = query({ input: true, place: true, ...options });
  return [await ask("POST", `api/classify?${search}`, body)].flat();
}

// Of two digits, as the model sees them.
export const compare = (pair) => ask("POST", "api/compare", JSON.stringify(pair));

// Store a digit that the model sees as `rows`.
export async function add(rows, label) {
  const search = query({ label });
  return [await ask("POST", `api/items?${search}`, JSON.stringify([rows]))].flat()[0];
}

// Run `work` at most once at a time and every 80 ms; of calls meanwhile, the last counts. Until all
// is done, `place` is marked as busy. Work that returns true is done again after a while.
export function latest(work, place) {
  let timer = 0;
  let running = false;
  let again = false;
  let retry = 0;
  async function run() {
    timer = 0;
    running = true;
    const failed = await work();
    running = false;
    if (again) { again = false; call(); return; }
    place.setAttribute("aria-busy", "false");
    if (failed) retry = setTimeout(call, RETRY);
  }
  function call() {
    clearTimeout(retry);
    place.setAttribute("aria-busy", "true");
    if (running) again = true;
    else if (!timer) timer = setTimeout(run, WAIT);
  }
  return call;
}

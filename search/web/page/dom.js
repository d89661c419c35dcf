// Small helpers for the document: elements are made here and text is only ever text.

export const byId = (id) => document.getElementById(id);

// An element with attributes and children; strings become text.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Draw rows of 0 to 255 on a canvas of 28 x 28, ink bright on black; null empties it.
export function drawPixels(canvas, rows) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, 28, 28);
  if (!rows) return;
  const image = context.createImageData(28, 28);
  for (let place = 0; place < 28 * 28; place += 1) {
    const grey = rows[Math.floor(place / 28)][place % 28];
    image.data.set([grey, grey, grey, 255], 4 * place);
  }
  context.putImageData(image, 0, 0);
}

// What a colour of the stylesheet is at this moment, light or dark.
const probe = make("span", { hidden: "" });
document.body.append(probe);
export function colour(name) {
  probe.style.color = `var(${name})`;
  return getComputedStyle(probe).color;
}

export const percent = (share, decimals = 0) => `${(100 * share).toFixed(decimals)} %`;

// Say something to whoever cannot see it, once it has settled.
let saying = 0;
export function say(text) {
  clearTimeout(saying);
  saying = setTimeout(() => { byId("live").textContent = text; }, 500);
}

// Tell of something done; `action` is a label and what it does.
let hiding = 0;
function hide() {
  const toast = byId("toast");
  if (toast.contains(document.activeElement)) byId("view").focus(); // else it would be nowhere
  toast.hidden = true;
}
export function tell(text, action) {
  const toast = byId("toast");
  toast.replaceChildren(make("span", {}, text));
  if (action) {
    const button = make("button", { type: "button" }, action.label);
    button.addEventListener("click", () => { hide(); action.run(); });
    toast.append(button);
  }
  toast.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(hide, action ? 15000 : 6000);
}

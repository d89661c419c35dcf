// A pad to draw on, with mouse, touch, pen or keyboard. Strokes are kept as points in a unit square,
// so that the pad can be drawn in any size and colour.

const PEN = 0.065; // width of a stroke
const STEP = 0.04; // of the keyboard's pen
const DOT = 0.01; // pixels: a stroke of no length at all would not be painted
export const SENT = 224; // pixels of the side of the picture that is asked about

export class Pad {
  // `changed` is called whenever the drawing is another one, and when the pen is lifted.
  constructor(canvas, label, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.strokes = [];
    this.cursor = null; // of the keyboard's pen: x, y and whether it is down
    canvas.setAttribute("aria-label", `${label}. Arrow keys move the pen, Space puts it down or lifts it, Backspace takes a stroke back, Delete clears.`);
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this.#lift(event));
    }
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => { this.cursor = null; this.paint(); });
    new ResizeObserver(() => this.paint()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
  }

  get isEmpty() { return this.strokes.length === 0; }

  // Whether a mouse, finger or pen is in the middle of a stroke.
  get isPressed() { return this.pointer !== undefined; }

  clear() { this.#lay([]); }

  undo() { this.#lay(this.strokes.slice(0, -1)); }

  // The drawing as a PNG, black on white.
  async picture() {
    const canvas = new OffscreenCanvas(SENT, SENT);
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, SENT, SENT);
    this.#draw(context, SENT, "black");
    return canvas.convertToBlob({ type: "image/png" });
  }

  paint() {
    const side = Math.round(this.canvas.clientWidth * devicePixelRatio);
    if (!side) return;
    if (this.canvas.width !== side) this.canvas.width = this.canvas.height = side;
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, side, side);
    this.#draw(context, side, getComputedStyle(this.canvas).color);
    if (this.cursor) this.#drawCursor(context, side);
  }

  // Another drawing, which no pen is in the middle of.
  #lay(strokes) {
    this.pointer = undefined;
    if (this.cursor) this.cursor.isDown = false;
    this.#set(strokes);
  }

  #set(strokes) {
    this.strokes = strokes;
    this.paint();
    this.changed();
  }

  #draw(context, side, ink) {
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = PEN * side;
    context.strokeStyle = ink;
    for (const stroke of this.strokes) {
      context.beginPath();
      context.moveTo(stroke[0].x * side, stroke[0].y * side);
      // Through the middles of the points, so that a fast hand leaves no corners.
      for (let place = 1; place < stroke.length; place += 1) {
        const [before, now] = [stroke[place - 1], stroke[place]];
        const [x, y] = [(before.x + now.x) / 2, (before.y + now.y) / 2];
        context.quadraticCurveTo(before.x * side, before.y * side, x * side, y * side);
      }
      const last = stroke.at(-1);
      context.lineTo(last.x * side + DOT, last.y * side);
      context.stroke();
    }
  }

  #drawCursor(context, side) {
    context.beginPath();
    context.arc(this.cursor.x * side, this.cursor.y * side, (PEN / 2) * side, 0, 2 * Math.PI);
    context.lineWidth = 2 * devicePixelRatio;
    context.strokeStyle = getComputedStyle(this.canvas).outlineColor;
    context.stroke();
  }

  #point(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  #press(event) {
    if (event.button !== 0 || this.isPressed) return;
    this.pointer = event.pointerId;
    this.cursor = null;
    this.canvas.setPointerCapture(event.pointerId);
    this.#set([...this.strokes, [this.#point(event)]]);
  }

  #move(event) {
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    const points = (events.length ? events : [event]).map((one) => this.#point(one));
    this.strokes.at(-1).push(...points);
    this.paint();
    this.changed();
  }

  #lift(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = undefined;
    this.changed();
  }

  #key(event) {
    const moves = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    const isModified = event.altKey || event.ctrlKey || event.metaKey;
    const undoes = isModified ? event.key === "z" && !event.altKey : event.key === "Backspace";
    if (isModified && !undoes) return; // the browser's own
    if (event.key in moves) this.#steer(...moves[event.key]);
    else if (event.key === " ") this.#toggle();
    else if (undoes) this.undo();
    else if (event.key === "Delete") this.clear();
    else return;
    event.preventDefault();
  }

  #steer(right, down) {
    this.cursor ??= { x: 0.5, y: 0.25, isDown: false };
    this.cursor.x = Math.min(1, Math.max(0, this.cursor.x + right));
    this.cursor.y = Math.min(1, Math.max(0, this.cursor.y + down));
    const { x, y, isDown } = this.cursor;
    if (!isDown) { this.paint(); return; }
    this.strokes.at(-1).push({ x, y });
    this.#set(this.strokes);
  }

  #toggle() {
    this.cursor ??= { x: 0.5, y: 0.25, isDown: false };
    this.cursor.isDown = !this.cursor.isDown;
    const { x, y, isDown } = this.cursor;
    if (isDown) this.#set([...this.strokes, [{ x, y }]]);
  }
}

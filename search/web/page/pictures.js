// Pictures that a person has: chosen, dropped, pasted or taken with the camera.

import { byId, tell } from "./dom.js";

const MOST_BYTES = 9_500_000; // the server takes ten million
const MOST_PIXELS = 25_000_000; // that the server takes
const LONGEST = 2000; // pixels of a picture that had to be made smaller

// Call `took(blob, name)` for every picture, from wherever it comes, while `isWanted()`.
export function watchPictures(isWanted, took) {
  const take = async (files) => {
    if (!files?.length || !isWanted()) return;
    const [file] = files;
    if (files.length > 1) tell(`Only the first of these ${files.length} files is asked about: ${file.name}.`);
    try {
      took(await withinLimits(await contentOf(file)), file.name);
    } catch (error) {
      tell(error.message);
    }
  };
  for (const id of ["file", "capture"]) {
    const input = byId(id);
    input.addEventListener("change", () => { take([...input.files]); input.value = ""; });
  }
  addEventListener("paste", (event) => take(event.clipboardData?.files));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    if (isWanted()) document.body.classList.add("dropping");
    else event.dataTransfer.dropEffect = "none";
  });
  for (const name of ["dragleave", "drop"]) {
    addEventListener(name, () => document.body.classList.remove("dropping"));
  }
  addEventListener("drop", (event) => {
    event.preventDefault();
    const files = event.dataTransfer?.files;
    if (files?.length) take(files);
    else tell("Expected a picture file.");
  });
  byId("camera").addEventListener("click", () => openCamera(take));
}

// What is in a file, whatever its name says of that.
async function contentOf(file) {
  let content;
  try {
    content = await file.arrayBuffer();
  } catch {
    throw new Error("This cannot be read. Is it a folder?");
  }
  if (!content.byteLength) throw new Error("This file is empty.");
  return new Blob([content]);
}

// The picture itself, or a smaller copy if the server would refuse it.
async function withinLimits(picture) {
  const whole = await createImageBitmap(picture).catch(() => null);
  const isSmall = picture.size <= MOST_BYTES;
  if (isSmall && !(whole?.width * whole?.height > MOST_PIXELS)) return picture;
  if (!whole) throw new Error("This picture is larger than 10 MB, and the browser cannot make it smaller.");
  const factor = Math.min(1, LONGEST / Math.max(whole.width, whole.height));
  const canvas = new OffscreenCanvas(Math.round(whole.width * factor), Math.round(whole.height * factor));
  const context = canvas.getContext("2d");
  context.fillStyle = "white"; // as the server lays what one can see through
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(whole, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
}

async function openCamera(take) {
  // Browsers give the camera to secure pages only; a phone's own camera app comes to others.
  if (!navigator.mediaDevices?.getUserMedia) { byId("capture").click(); return; }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
  } catch (error) {
    tell(error.name === "NotAllowedError" ? "The camera is not allowed on this page." : "There is no camera.");
    return;
  }
  const [dialog, video] = [byId("viewfinder"), byId("video")];
  video.srcObject = stream;
  dialog.showModal();
  await video.play();
  byId("shoot").onclick = async () => {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext("2d").drawImage(video, 0, 0);
    take([await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 })]);
    dialog.close();
  };
  byId("leave").onclick = () => dialog.close();
  dialog.onclose = () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
}

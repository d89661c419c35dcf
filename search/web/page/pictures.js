// Pictures that a person has: chosen, dropped, pasted or taken with the camera.

import { byId, tell } from "./dom.js";

const MOST_BYTES = 9_500_000; // the server takes ten million
const LONGEST = 2000; // pixels of a picture that had to be made smaller

// Call `took(blob)` for every picture, from wherever it comes, while `isWanted()`.
export function watchPictures(isWanted, took) {
  const take = (file) => {
    if (file && isWanted()) took(file);
  };
  for (const id of ["file", "capture"]) {
    const input = byId(id);
    input.addEventListener("change", () => { take(input.files[0]); input.value = ""; });
  }
  addEventListener("paste", (event) => take(event.clipboardData?.files[0]));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  for (const name of ["dragleave", "drop"]) {
    addEventListener(name, () => document.body.classList.remove("dropping"));
  }
  addEventListener("drop", (event) => {
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
    else tell("Expected a picture file.");
  });
  byId("camera").addEventListener("click", () => openCamera(take));
}

// The picture itself, or a smaller copy if the server would refuse it.
export async function withinLimits(file) {
  if (file.size <= MOST_BYTES) return file;
  const whole = await createImageBitmap(file);
  const factor = Math.min(1, LONGEST / Math.max(whole.width, whole.height));
  const canvas = new OffscreenCanvas(Math.round(whole.width * factor), Math.round(whole.height * factor));
  canvas.getContext("2d").drawImage(whole, 0, 0, canvas.width, canvas.height);
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
    take(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 }));
    dialog.close();
  };
  byId("leave").onclick = () => dialog.close();
  dialog.onclose = () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
}

// What the model would say, in the browser. Gradio runs this once a mount, as the body of a function
// with the arguments (element, trigger, props, server, upload, watch). An answer to another film, or
// to another stroke than the last, is dropped. Its HTML is made by the server, which escapes it.

const box = element.querySelector(".answer");
const waiting = box.innerHTML;

function show() {
  const value = props.value;
  const now = document.querySelector("#painter .painter")?.dataset;
  if (!value || value.sample !== now?.ready || value.stroke !== now.stroke) return;
  box.innerHTML = value.html;
  box.dataset.sample = value.sample;
  box.setAttribute("aria-busy", "false");
}

function onStroke(event) {
  if (!element.isConnected) return document.removeEventListener("imil-stroke", onStroke);
  box.setAttribute("aria-busy", "true");
  if (box.dataset.sample === event.detail.sample) return;
  box.dataset.sample = "";
  box.innerHTML = waiting; // another film: its own answer is on the way
}
document.addEventListener("imil-stroke", onStroke);

watch("value", show);

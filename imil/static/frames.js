// Runs before Gradio's scripts. Gradio's first "Loading" counts its seconds a frame at a time, and
// goes on when it has gone (gradio 6.31): the browser then draws sixty times a second for nothing,
// 8 % of a core for as long as the page is open. So whatever asks for frame after frame for longer
// than LONG gets one a second from then on.
(() => {
  const LONG = 2000; // ms; no movement of the page takes as long
  const SLOW = 1000; // ms
  const frame = window.requestAnimationFrame.bind(window);
  let begun = null; // when the frames began of which the one that is being answered is one
  window.requestAnimationFrame = (answer) => {
    const since = begun ?? performance.now();
    const ask = () => frame((now) => {
      begun = since;
      try { answer(now); } finally { begun = null; }
    });
    if (performance.now() - since < LONG) return ask();
    setTimeout(ask, SLOW);
    return 0;
  };
})();

// Evaluated in the console's page before it makes the screen's worker: what that worker paints, as it says so.
() => {
  const NativeWorker = window.Worker;
  let waiting = null;
  /** Of all that was painted; `first` is its time. */
  window.painted = { first: NaN, bytes: 0, messages: 0 };
  window.Worker = class extends NativeWorker {
    constructor(...args) {
      super(...args);
      this.addEventListener('message', ({ data }) => {
        if (data.type !== 'painted') return;
        const at = performance.now();
        if (window.painted.messages === 0) window.painted.first = at;
        window.painted.messages += 1;
        window.painted.bytes += data.size;
        if (waiting) waiting({ ...data, at });
      });
    }
  };

  /** Press a key in what has the focus; what was painted first, with its `delay` in ms, or null after two seconds. */
  window.key = (key) => new Promise((resolve) => {
    const late = setTimeout(() => { waiting = null; resolve(null); }, 2000);
    const start = performance.now();
    waiting = ({ at, decode }) => {
      clearTimeout(late);
      waiting = null;
      resolve({ decode, start, delay: at - start });
    };
    const code = 'Key' + key.toUpperCase();
    for (const type of ['keydown', 'keyup']) {
      document.activeElement.dispatchEvent(new KeyboardEvent(type, { key, code, bubbles: true, cancelable: true }));
    }
  });
}

// Mouse, touch and keys on the viewer, as calls: onwindow(dx, dy), onmove(dx, dy), onstep(slices), onzoom(factor, point),
// onreset(). Distances are in CSS pixels, points in those of the element.

const kZoomOfWheel = 0.0015; // per pixel of a wheel
const kZoomOfKey = 1.25;
const kStepOfDrag = 10; // pixels per slice
const kMoveOfKey = 40;

function listenToWheel(element, target) {
  let rest = 0;
  element.addEventListener("wheel", (event) => {
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? 1 : 40);
    if (event.ctrlKey) {
      event.preventDefault();
      target.onzoom(Math.exp(-pixels * kZoomOfWheel), { x: event.offsetX, y: event.offsetY });
    } else if (target.steps()) {
      event.preventDefault();
      rest += pixels;
      const steps = Math.trunc(rest / 40);
      rest -= steps * 40;
      if (steps !== 0) target.onstep(Math.sign(steps) * Math.min(3, Math.abs(steps)));
    }
  }, { passive: false });
}

/** What a drag does: the tool chosen, unless button or key say otherwise. */
export function toolOf(event, chosen) {
  if (event.button === 1 || event.button === 2 || event.shiftKey) return "move";
  return chosen;
}

function listenToPointers(element, target) {
  const pointers = new Map();
  let tool = null;
  let rest = 0;
  const spread = ([a, b]) => Math.hypot(a.x - b.x, a.y - b.y);
  const middle = ([a, b]) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  const place = (event) => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const pinch = (before) => {
    const now = [...pointers.values()];
    const [from, to] = [middle(before), middle(now)];
    target.onzoom(spread(now) / Math.max(1, spread(before)), to);
    target.onmove(to.x - from.x, to.y - from.y);
  };
  const drag = (dx, dy) => {
    if (tool === "window") target.onwindow(dx, dy);
    if (tool === "move") target.onmove(dx, dy);
    if (tool !== "scroll") return;
    rest += dy;
    const steps = Math.trunc(rest / kStepOfDrag);
    rest -= steps * kStepOfDrag;
    if (steps !== 0) target.onstep(steps);
  };
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    tool = toolOf(event, target.tool());
    rest = 0;
  });
  element.addEventListener("pointermove", (event) => {
    const now = place(event);
    target.onhover(now);
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const before = [...pointers.values()];
    pointers.set(event.pointerId, now);
    if (pointers.size === 2) pinch(before);
    else if (pointers.size === 1) drag(now.x - last.x, now.y - last.y);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    element.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  element.addEventListener("pointerleave", () => target.onhover(null));
  element.addEventListener("contextmenu", (event) => event.preventDefault());
  element.addEventListener("dblclick", () => target.onreset());
}

/** The call for a key, or undefined. Pure. */
export function keyAction({ key, shiftKey }, target) {
  const by = kMoveOfKey;
  const moves = { ArrowLeft: [by, 0], ArrowRight: [-by, 0], ArrowUp: [0, by], ArrowDown: [0, -by] };
  if (shiftKey && moves[key]) return () => target.onmove(...moves[key]);
  return {
    ArrowUp: () => target.onstep(-1), ArrowLeft: () => target.onstep(-1),
    ArrowDown: () => target.onstep(1), ArrowRight: () => target.onstep(1),
    PageUp: () => target.onstep(-10), PageDown: () => target.onstep(10),
    Home: () => target.onstep(-Infinity), End: () => target.onstep(Infinity),
    "+": () => target.onzoom(kZoomOfKey), "=": () => target.onzoom(kZoomOfKey),
    "-": () => target.onzoom(1 / kZoomOfKey),
    0: () => target.onreset(),
    "[": () => target.onwindow(-20, 0), "]": () => target.onwindow(20, 0),
    ",": () => target.onwindow(0, 20), ".": () => target.onwindow(0, -20),
  }[key];
}

/** Connects an element with a target: the calls above, onhover(point or null), tool() and steps(). */
export function listenToGestures(element, target) {
  listenToWheel(element, target);
  listenToPointers(element, target);
  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const action = keyAction(event, target);
    if (!action) return;
    event.preventDefault();
    action();
  });
}

// Where a picture lies on the screen: scale and shift, and how zooming and moving change them. Pure.

export const kMostZoom = 16;
export const kLeastZoom = 1;

/** Scale at which the whole picture is seen in a frame. */
export function fitScale(picture, frame) {
  return Math.min(frame.width / picture.columns, frame.height / picture.rows);
}

/** A view: zoom (1 fits), and the picture's point (0 to 1 in x and y) at the middle of the frame. */
export const kWholeView = { zoom: 1, x: 0.5, y: 0.5 };

/** {scale, left, top}: picture pixel (c, r) is drawn at (left + c * scale, top + r * scale). */
export function placed(view, picture, frame) {
  const scale = fitScale(picture, frame) * view.zoom;
  return {
    scale,
    left: frame.width / 2 - view.x * picture.columns * scale,
    top: frame.height / 2 - view.y * picture.rows * scale,
  };
}

/** The picture's pixel {column, row} under a point of the frame; may lie outside of the picture. */
export function pixelAt(view, picture, frame, point) {
  const { scale, left, top } = placed(view, picture, frame);
  return { column: (point.x - left) / scale, row: (point.y - top) / scale };
}

const between = (low, value, high) => Math.min(high, Math.max(low, value));

// The picture's middle may not leave the frame; a picture that fits stays centred.
function kept(view) {
  const reach = 0.5 - 0.5 / view.zoom;
  const inside = (value) => between(0.5 - reach, value, 0.5 + reach);
  return { zoom: view.zoom, x: inside(view.x), y: inside(view.y) };
}

/** Zoomed by `factor` about a point of the frame, which keeps its pixel. */
export function zoomed(view, picture, frame, factor, point = { x: frame.width / 2, y: frame.height / 2 }) {
  const zoom = between(kLeastZoom, view.zoom * factor, kMostZoom);
  const pixel = pixelAt(view, picture, frame, point);
  const scale = fitScale(picture, frame) * zoom;
  return kept({
    zoom,
    x: (pixel.column - (point.x - frame.width / 2) / scale) / picture.columns,
    y: (pixel.row - (point.y - frame.height / 2) / scale) / picture.rows,
  });
}

/** Moved by a distance on the frame. */
export function moved(view, picture, frame, dx, dy) {
  const { scale } = placed(view, picture, frame);
  return kept({ zoom: view.zoom, x: view.x - dx / scale / picture.columns, y: view.y - dy / scale / picture.rows });
}

/**
 * The square of the original picture that the model's view shows (preprocess.cpp, source_square): {left, top, side} in
 * pixels. It reaches beyond a picture that is not square.
 */
export function sourceSquare(picture, cropPx) {
  const side = cropPx > 0 ? cropPx : Math.max(picture.rows, picture.columns);
  return { left: Math.floor((picture.columns - side) / 2), top: Math.floor((picture.rows - side) / 2), side };
}

/** Window after a drag: to the right wider, down darker (the level rises), a frame's size is the whole range. */
export function draggedWindow(window, dx, dy, range, frame) {
  const width = between(range / 1000, window.width + (dx / frame.width) * range, 4 * range);
  return { level: between(-2 * range, window.level + (dy / frame.height) * range, 2 * range), width };
}

// Which sides of the patient the edges of a picture are, from Image Orientation (Patient): the direction along a row, then
// that along a column, as cosines towards the patient's left, back and head (DICOM PS3.3 C.7.6.2.1.1). Pure.

const kAxes = [["L", "R"], ["P", "A"], ["H", "F"]]; // left, right; posterior, anterior; head, foot
const kUsual = Math.cos((30 * Math.PI) / 180); // that near to the usual view
const kSecond = 0.5; // a side that a direction leans to by less is not told

const unit = (vector) => vector.map((value) => value / Math.hypot(...vector));

// The two directions, or null when they are none.
function directions(orientation) {
  if (orientation?.length !== 6) return null;
  const both = [unit(orientation.slice(0, 3)), unit(orientation.slice(3))];
  return both.flat().every(Number.isFinite) ? both : null;
}

// "L", or "LP" where it runs between two sides; the stronger one first.
function letters(direction) {
  const sides = direction.map((value, axis) => ({ size: Math.abs(value), letter: kAxes[axis][value > 0 ? 0 : 1] }))
    .sort((a, b) => b.size - a.size);
  return sides.filter(({ size }, i) => i === 0 || size > kSecond).map(({ letter }) => letter).join("");
}

const opposite = (direction) => direction.map((value) => -value);

/** The letters of the four edges: {left, right, top, bottom}; null where the orientation is not known. */
export function edgesOf(orientation) {
  const both = directions(orientation);
  if (!both) return null;
  const [row, column] = both;
  return { left: letters(opposite(row)), right: letters(row), top: letters(opposite(column)), bottom: letters(column) };
}

/** Whether a picture is not in the usual view: rows to the patient's left, columns to the back. False where not known. */
export function isTurned(orientation) {
  const both = directions(orientation);
  return both !== null && !(both[0][0] >= kUsual && both[1][1] >= kUsual);
}

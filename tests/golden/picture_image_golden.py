"""Writes one small picture in many PNG and JPEG kinds with Pillow, and for each the grey values that decoding must give.

Usage: picture_image_golden.py OUT: writes OUT/NAME.png|jpg and OUT/NAME.grey (float32, row-major, in [0, 1]).
"""
import pathlib
import sys

import numpy as np
from PIL import Image

ROWS, COLUMNS = 24, 32
LUMA = np.array([0.299, 0.587, 0.114])  # BT.601


def main(out):
    out = pathlib.Path(out)
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    grey = ((x * 5 + y * 3) % 256).astype(np.uint8)
    deep = (x * 1800 + y * 300).astype(np.uint16)
    colour = np.stack([grey, (y * 9) % 256, 255 - x * 6], -1).astype(np.uint8)
    alpha = ((x * y) % 256).astype(np.uint8)
    palette = Image.fromarray(grey // 64).convert("P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 10, 20, 250])
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [10, 20, 250]])

    def save(name, picture, expected, **options):
        picture.save(out / name, **options)
        np.asarray(expected, "<f4").tofile(out / (pathlib.Path(name).stem + ".grey"))

    save("grey8.png", Image.fromarray(grey), grey / 255)
    save("grey16.png", Image.fromarray(deep), deep / 65535)
    save("colour.png", Image.fromarray(colour), colour @ LUMA / 255)
    save("colour_alpha.png", Image.fromarray(np.dstack([colour, alpha])), colour @ LUMA / 255)
    save("grey_alpha.png", Image.fromarray(np.dstack([grey, alpha]), "LA"), grey / 255)
    save("palette.png", palette, (colours @ LUMA / 255)[grey // 64])
    save("one_bit.png", Image.fromarray(grey > 100), (grey > 100).astype(float))

    smooth = (x * 4 + y * 5).astype(np.uint8)
    ramp = np.stack([smooth, 255 - smooth, smooth // 2 + 60], -1).astype(np.uint8)
    for name, picture, options in [
        ("baseline.jpg", Image.fromarray(smooth), {}),
        ("progressive.jpg", Image.fromarray(smooth), {"progressive": True}),
        ("colour_jpeg.jpg", Image.fromarray(ramp), {"subsampling": 0}),
        ("cmyk.jpg", Image.fromarray(ramp).convert("CMYK"), {}),
    ]:
        picture.save(out / name, quality=95, **options)
        decoded = np.asarray(Image.open(out / name).convert("RGB")) @ LUMA / 255
        np.asarray(decoded, "<f4").tofile(out / (pathlib.Path(name).stem + ".grey"))


if __name__ == "__main__":
    main(sys.argv[1])

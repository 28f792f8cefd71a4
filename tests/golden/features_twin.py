"""Computes pulmo's handcrafted features with scikit-image, SciPy and NumPy, and compares.

features_twin.py make FOLDER          writes NAME.u16 test pictures (SIDE x SIDE), SIDE in side.txt
features_twin.py check FOLDER         reads NAME.tsv (name, value) of each picture and compares; exits with 1 if one differs

HOG is left out: scikit-image interpolates it otherwise than OpenCV.
"""
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage, spatial, stats
from skimage import feature, filters, measure

SIDE = 96
# Counts decided by a tie of floating-point numbers may fall either way: a few pixels of the LBP histogram.
TOLERANCE = {"lbp": 2e-3}
DEFAULT_TOLERANCE = 2e-5


def pictures():
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:SIDE, :SIDE]
    noise = ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.2)
    lungs = ((x - 27) ** 2 / 18**2 + (y - 48) ** 2 / 38**2 < 1) | ((x - 69) ** 2 / 17**2 + (y - 50) ** 2 / 35**2 < 1)
    grey = 0.22 + 0.12 * noise / noise.std() * 0.5
    for cx, cy, rx, ry, light in [(30, 40, 6, 5, 0.9), (70, 60, 3, 9, 0.75), (66, 30, 2, 2, 0.8), (24, 66, 3, 3, 0.7)]:
        grey[(x - cx) ** 2 / rx**2 + (y - cy) ** 2 / ry**2 <= 1] = light
    chest = np.where(lungs, np.clip(grey + 0.03 * noise, 0.01, 1), 0)
    blob = np.clip(np.exp(-((x - 50) ** 2 + (y - 44) ** 2) / 200) + 0.05 * noise + 0.15, 0.001, 1)
    one_lung = np.where((x > 10) & (x < 60) & (y > 5) & (y < 90), np.clip(0.4 + 0.2 * noise, 0.01, 1), 0)
    return {"chest": chest, "patch": blob, "one_lung": one_lung,
            "speck": np.where((x == 40) & (y == 40), 0.5, 0), "flat": np.full((SIDE, SIDE), 0.25),
            "nothing": np.zeros((SIDE, SIDE))}


def hull_area(region):
    r, c = region.coords.T
    corners = np.concatenate([np.stack([c + dx, r + dy], 1) for dx in (0, 1) for dy in (0, 1)])
    return spatial.ConvexHull(corners).volume  # of a 2D hull: its area


def axes(region):
    """Half axes of the ellipse with the second moments of the region, each pixel a unit square (moment 1/12)."""
    major, minor = np.linalg.eigvalsh(region.inertia_tensor + np.eye(2) / 12)[::-1]
    return 2 * major**0.5, 2 * minor**0.5


def eccentricity(region):
    major, minor = axes(region)
    return (1 - (minor / major) ** 2) ** 0.5


def regions_of(mask, image, least):
    labels = measure.label(mask, connectivity=2)
    found = [r for r in measure.regionprops(labels, image) if r.area >= least]
    return sorted(found, key=lambda r: (-r.area, -r.mean_intensity))


def shape_features(image, value, lungs):
    parts = regions_of(lungs, value, 16)
    out = {"lung.area": lungs.mean(), "lung.parts": len(parts)}
    for i in range(2):
        p = parts[i] if i < len(parts) else None
        out[f"lung.part{i + 1}.area"] = p.area / lungs.size if p else 0
        out[f"lung.part{i + 1}.eccentricity"] = eccentricity(p) if p else 0
        out[f"lung.part{i + 1}.solidity"] = p.area / hull_area(p) if p else 0
        out[f"lung.part{i + 1}.extent"] = p.extent if p else 0
    return out


def spot_features(image, value, lungs):
    top = (image >> 8).astype(np.uint8)
    inside = top[lungs]
    threshold = filters.threshold_otsu(inside) if len(np.unique(inside)) > 1 else (255 if not len(inside) else inside[0])
    mask = lungs & (top > threshold)
    distance = ndimage.distance_transform_edt(mask)
    spots = regions_of(mask, value, 4)
    radius = [distance[tuple(s.coords.T)].max() for s in spots]
    out = {"spots.count": len(spots), "spots.area": mask.sum() / max(1, lungs.sum()),
           "spots.widest_radius": max(radius, default=0) / SIDE}
    away = [np.hypot(*(s.coords - (SIDE - 1) / 2).T).min() for s in spots]
    nearest = int(np.argmin(away)) if spots else 0
    out["spot.centre.distance"] = away[nearest] / SIDE if spots else 1
    for name, i in [("spot.centre.", nearest)] + [(f"spot{k + 1}.", k) for k in range(3)]:
        s = spots[i] if i < len(spots) else None
        out[name + "area"] = s.area / SIDE**2 if s else 0
        out[name + "eccentricity"] = eccentricity(s) if s else 0
        out[name + "roundness"] = s.area / (np.pi * axes(s)[0] ** 2) if s else 0
        out[name + "solidity"] = s.area / hull_area(s) if s else 0
        out[name + "radius"] = radius[i] / SIDE if s else 0
        out[name + "brightness"] = s.mean_intensity if s else 0
    return out


def blob_features(value, lungs):
    half = value.reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3))
    inside = lungs[::2, ::2]
    out = {}
    for name, sigma in (("1.5", 1.5), ("3", 3.0), ("6", 6.0)):
        strength = -(sigma**2) * ndimage.gaussian_laplace(half, sigma, mode="nearest")
        out[f"blob.s{name}.highest"] = strength[inside].max() if inside.any() else 0
        out[f"blob.s{name}.deviation"] = strength[inside].std() if inside.any() else 0
    return out


def cooccurrence_features(image, lungs):
    levels = np.where(lungs, 1 + (image >> 11), 0).astype(np.uint8)
    out = {}
    for d in (1, 2, 4):
        rows = []
        for angle, length in ((0, d), (np.pi / 4, d * 2**0.5), (np.pi / 2, d), (3 * np.pi / 4, d * 2**0.5)):
            table = feature.graycomatrix(levels, [length], [angle], 33, symmetric=True)[1:, 1:].astype(float)
            if not table.sum():
                rows.append([0] * 6)
                continue
            table /= table.sum()
            properties = [feature.graycoprops(table, k)[0, 0] for k in
                          ("contrast", "dissimilarity", "homogeneity", "energy", "correlation")]
            p = table[table > 0]
            rows.append(properties + [-(p * np.log2(p)).sum()])
        names = ("contrast", "dissimilarity", "homogeneity", "energy", "correlation", "entropy")
        for k, name in enumerate(names):
            column = np.array(rows)[:, k]
            out[f"glcm.d{d}.{name}.mean"] = column.mean()
            out[f"glcm.d{d}.{name}.range"] = np.ptp(column)
    return out


def pattern_features(image, lungs):
    out = {}
    for radius in (1, 3):
        codes = feature.local_binary_pattern(image, 8, radius, "uniform")[lungs].astype(int)
        shares = np.bincount(codes, minlength=10) / max(1, len(codes))
        out.update({f"lbp.r{radius}.{k}": shares[k] for k in range(10)})
    return out


def grey_features(image, value, lungs):
    inside = value[lungs]
    some = len(inside) > 0
    varied = some and inside.var() > 1e-12
    out = {"grey.mean": inside.mean() if some else 0, "grey.deviation": inside.std() if some else 0,
           "grey.skewness": stats.skew(inside) if varied else 0, "grey.kurtosis": stats.kurtosis(inside) if varied else 0}
    for q in (5, 25, 50, 75, 95):
        out[f"grey.percentile{q}"] = np.percentile(inside, q, method="inverted_cdf") if some else 0
    shares = np.bincount(image[lungs] >> 12, minlength=16) / max(1, len(inside))
    out.update({f"grey.bin{k}": shares[k] for k in range(16)})
    return out


def features(image):
    value, lungs = image / 65535.0, image > 0
    return {**shape_features(image, value, lungs), **spot_features(image, value, lungs), **blob_features(value, lungs),
            **cooccurrence_features(image, lungs), **pattern_features(image, lungs), **grey_features(image, value, lungs)}


def as_stored(picture):
    return np.round(65535 * picture).astype(np.uint16)


def check(folder):
    wrong = 0
    for name, picture in pictures().items():
        ours = dict(line.split("\t") for line in (folder / f"{name}.tsv").read_text().splitlines())
        expected = features(as_stored(picture))
        others = [k for k in ours if k not in expected and not k.startswith("hog.")]
        missing = [k for k in expected if k not in ours]
        if others or missing:
            sys.exit(f"not the same features: {others} {missing}")
        for key, value in expected.items():
            tolerance = TOLERANCE.get(key.split(".")[0], DEFAULT_TOLERANCE) * max(1.0, abs(value))
            if not abs(float(ours[key]) - value) <= tolerance:
                wrong += 1
                print(f"{name}: {key} is {ours[key]}, expected {value:.8g}")
    return wrong


def main():
    command, folder = sys.argv[1], Path(sys.argv[2])
    if command == "make":
        (folder / "side.txt").write_text(str(SIDE))
        for name, picture in pictures().items():
            as_stored(picture).tofile(folder / f"{name}.u16")
    else:
        sys.exit(1 if check(folder) else 0)


if __name__ == "__main__":
    main()

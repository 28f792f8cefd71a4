#pragma once

#include <array>
#include <vector>

#include "core/support/seed.h"
#include "pipeline/phantom/geometry.h"
#include "pipeline/phantom/tissue.h"
#include "pipeline/phantom/view.h"

namespace pulmo::pipeline::phantom {

/// A chain of capsules with a shell: bone and its marrow, an airway and its wall, a vessel (no shell).
struct Tube {
  std::vector<Capsule> capsules;
  Tissue core;
  double shell_mm = 0.0;
  Tissue shell = Tissue::kAir;  ///< used when shell_mm > 0
};

/// One slow wave on the outline of chest and body, so that no two are alike.
struct Ripple {
  double order;
  double amplitude;
  double phase_rad;
  double twist_rad;  ///< change of the phase from apex to base
};

/// The body of one patient. Heights are given as `t`: 0 at the upper lung apex, 1 at the lowest lung.
struct Anatomy {
  double height_mm = 200.0;  ///< of the lungs
  double width = 1.0;        ///< scale of the chest
  double depth = 1.0;
  double fat_mm = 14.0;      ///< under the skin
  double breast_mm = 0.0;    ///< 0: none
  double kyphosis_mm = 0.0;  ///< extra curve of the spine
  double right_dome = 0.66;  ///< t of the top of the diaphragm
  double left_dome = 0.70;
  double right_apex = 0.0;  ///< t of each lung's apex
  double left_apex = 0.02;
  double heart = 1.0;           ///< scale
  double stomach_gas_mm = 0.0;  ///< radius of the bubble, 0: none
  double vertebra_mm = 21.0;    ///< from one vertebra to the next
  double vertebra_phase = 0.0;
  std::array<Ripple, 3> ripples{};
  Pose pose;
  TissueTable hu{};
  double posterior_gain_hu = 20.0;  ///< lung at the back is denser by this, at the front thinner
  double emphysema = 0.0;           ///< 0 none to 1
  std::vector<Tube> bones;
  std::vector<Tube> vessels;
  std::vector<Tube> airways;

  double t_of(double z_mm) const { return -z_mm / height_mm; }
  double z_of(double t) const { return -t * height_mm; }
};

/// Draws a patient. Pure function of the generator's state.
Anatomy make_anatomy(Random& random);

/// The pleural space: point at parameter `angle_rad` (superellipse convention) of the outline at height t, moved
/// outwards by `offset_mm`.
Point cavity_point(const Anatomy& anatomy, double t, double angle_rad, double offset_mm = 0.0);
Outline cavity_outline(const Anatomy& anatomy, double t, double offset_mm = 0.0);
/// Half of the width of the pleural space, mm.
double cavity_half_width(const Anatomy& anatomy, double t);
/// y of the foremost point of the pleural space, mm.
double cavity_front(const Anatomy& anatomy, double t);

/// The skin, moved inwards by `inset_mm`.
Outline body_outline(const Anatomy& anatomy, double t, double inset_mm = 0.0);

/// Centre of the vertebral body.
Point spine_centre(const Anatomy& anatomy, double t);
/// The lowest point of the back over the whole chest, where the table is, mm in the body frame.
double back_of_body(const Anatomy& anatomy);

}  // namespace pulmo::pipeline::phantom

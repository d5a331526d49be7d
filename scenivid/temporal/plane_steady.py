"""`steady` for planes on a CPU: the same formulas, chroma as it comes, in OpenCV's loops.

Nothing here is compiled at run time, and every large step releases the interpreter's lock.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scenivid.temporal.area_light import colours, light_gain, planes_of, same_light
from scenivid.temporal.plane_tools import Maps, areas, blend, cv, enlarged, mean3, resized
from scenivid.temporal.planes import Plane, PlaneMotion, Planes, State, check_finite, half_size
from scenivid.temporal.steady import AREA, FAINT, MOST_GAIN, MOVING_PX, OLDEST, SPREAD, rates


class SteadyPlanes:
    """Steadies one frame after another; luma and line at full size, chroma at half or full.

    One thread at a time. A frame whose source is the same as the one before gets the same result.
    """

    def __init__(self, height: int, width: int, consistency: float) -> None:
        """Args:
        height, width: of the frames, any.
        consistency: 0 returns each frame itself, 1 follows the past as long as the source allows.
        """
        self._size, self._half = (height, width), half_size(height, width)
        self._areas = (-(-height // AREA), -(-width // AREA))
        self._consistency = consistency
        self._full_maps, self._half_maps = Maps(self._size), Maps(self._half)
        self._memory: dict[str, Plane] = {}
        self._spare = {name: _plane(self._size) for name in ("luma", "line", "share", "work", "soft")}
        self._spare |= {name: _plane(self._size) for name in ("fine", "soft wanted", "fine wanted")}
        self._spare_chroma = _plane((2, *self._half))  # or at full size, as the stylised frames have it
        self._output: dict[str, Plane] = {}

    def step(self, source: Planes, styled: Planes, motion: PlaneMotion | None, cut: bool) -> Planes:
        """Steady one frame.

        Args:
            source: the frame before stylisation, without line; kept, so don't change it afterwards.
            styled: its stylised planes, which the result overwrites; kept as well.
            motion: from `MotionPlanes.step`, or any other at any size; None takes nothing to be known of
                the past.
            cut: a new shot begins: forget.

        Returns:
            The planes of `styled`, steadied.

        Raises:
            InputError: the stylised frame isn't finite; the memory is as before.
        """
        check_finite(styled)
        if self._consistency <= 0:
            return styled
        light = self._light(source)
        if cut or motion is None or not self._knows(styled):
            self._begin(styled, light)
        elif _same(source.luma, self._memory["source luma"]) and _same(
            source.chroma, self._memory["source chroma"]
        ):
            _copy_out(self._output, styled)
        else:
            self._go_on(styled, light, motion)
        self._memory |= {"source luma": source.luma, "source chroma": source.chroma}
        self._output = {"luma": styled.luma, "chroma": styled.chroma}
        if styled.line is not None:
            self._output["line"] = styled.line
        return styled

    def state(self) -> State:
        """What is remembered, as named arrays, not copied; empty before the first frame."""
        return self._memory | {f"output {name}": plane for name, plane in self._output.items()}

    def restore(self, state: State) -> None:
        """Go on from a copy of what `state` once returned."""
        copies = {name: np.array(array, np.float32) for name, array in state.items()}
        self._output = {name[7:]: plane for name, plane in copies.items() if name.startswith("output ")}
        self._memory = {name: plane for name, plane in copies.items() if not name.startswith("output ")}

    def _knows(self, styled: Planes) -> bool:
        """Whether what is remembered is of such frames."""
        memory = self._memory
        alike = bool(memory) and ("line" in memory) == (styled.line is not None)
        return alike and memory["chroma"].shape == styled.chroma.shape

    def _light(self, source: Planes) -> Plane:
        """RGB of areas, [h, w, 3], spread as in the formulas."""
        means = [areas(source.luma), *(resized(plane, self._areas) for plane in source.chroma)]
        light = colours(np.dstack(means))
        for _ in range(SPREAD):
            light = mean3(light)
        return light

    def _begin(self, styled: Planes, light: Plane) -> None:
        contrast = np.full((*self._areas, 4), FAINT, np.float32)
        self._memory = {
            "luma": styled.luma.copy(),
            "chroma": styled.chroma.copy(),
            "reference": light,
            "light": light.copy(),
            "age": np.ones(self._half, np.float32),
            "contrast": contrast,
        }
        self._output = {}
        if styled.line is not None:
            self._memory["line"] = styled.line.copy()

    def _go_on(self, styled: Planes, light: Plane, motion: PlaneMotion) -> None:
        memory, field = self._memory, np.ascontiguousarray(np.moveaxis(motion.flow, 2, 0))
        moves = bool(field.any())
        coarse = Maps(self._areas, cubic=False)
        if moves:
            for maps in (self._full_maps, self._half_maps, coarse):
                maps.point(field)
        names = ("reference", "light", "contrast")
        past = {name: coarse.fetch(memory[name]) if moves else memory[name] for name in names}
        age = self._half_maps.fetch(memory["age"]) if moves else memory["age"]

        confidence = cv.sqrt(resized(motion.confidence, self._half))
        gain = light_gain(light, past["reference"], resized(confidence, self._areas))
        keep, memory["age"] = self._keep_share(
            confidence, same_light(light, past["light"]), age, self._half_maps.speed if moves else None
        )
        share = resized(keep, self._areas)
        self._bring_up(styled, gain, keep, moves)
        memory["reference"] = blend(light, past["reference"] * gain, share[..., None])
        memory["light"] = blend(light, past["light"], share[..., None])
        memory["contrast"] = self._crisp(memory["luma"], styled.luma, past["contrast"], share)
        if styled.line is not None:
            np.clip(memory["line"], 0, 1, out=styled.line)

    def _keep_share(
        self, confidence: Plane, same: Plane, age: Plane, speed_px: Plane | None
    ) -> tuple[Plane, Plane]:
        """Share of the past in the mean, and the new age, both at half size."""
        trust = confidence * enlarged(same, self._half)
        trust = np.minimum(trust, mean3(trust))
        age = np.minimum(np.maximum(age, 1) * trust + 1, OLDEST)
        still, moving = rates(self._consistency)
        rate: Any = np.float32(still)
        if speed_px is not None:
            ramp = np.minimum(speed_px * np.float32(2 / MOVING_PX), 1)
            rate = np.float32(still) * np.exp(ramp * np.float32(np.log(moving / still)))
        return trust * (1 - np.maximum(1 / age, rate)), age

    def _bring_up(self, styled: Planes, gain: Plane, keep: Plane, moves: bool) -> None:
        """The new means of luma, chroma and line, in place of the old ones."""
        memory, spare = self._memory, self._spare
        share = enlarged(keep, self._size, spare["share"])
        luma = self._full_maps.fetch_cubic(memory["luma"], spare["luma"], moves)
        whole = styled.chroma.shape == (2, *self._size)
        maps, part = (self._full_maps, share) if whole else (self._half_maps, keep)
        chroma = self._spare_chroma
        if chroma.shape != styled.chroma.shape:
            chroma = np.empty_like(styled.chroma)
        for plane, out in zip(memory["chroma"], chroma, strict=True):
            maps.fetch_cubic(plane, out, moves)
        if (gain != 1).any():
            low = np.dstack([areas(luma), *(resized(plane, self._areas) for plane in chroma)])
            factor = planes_of(gain)[..., 0]
            offset = planes_of(colours(low) * (gain - 1)) - (factor - 1)[..., None] * low
            _multiply_add(luma, factor, np.ascontiguousarray(offset[..., 0]), spare["work"])
            for index, out in enumerate(chroma):
                work = spare["work"].reshape(-1)[: out.size].reshape(out.shape)
                _multiply_add(out, factor, np.ascontiguousarray(offset[..., index + 1]), work)
        blend(styled.luma, luma, share, luma)
        for now, out in zip(styled.chroma, chroma, strict=True):
            blend(now, out, part, out)
        memory["luma"], spare["luma"] = luma, memory["luma"]
        memory["chroma"], self._spare_chroma = chroma, memory["chroma"]
        np.copyto(styled.chroma, chroma)
        if styled.line is not None:
            line = self._full_maps.fetch_cubic(memory["line"], spare["line"], moves)
            memory["line"], spare["line"] = blend(styled.line, line, share, line), memory["line"]

    def _crisp(self, mean: Plane, styled: Plane, contrast: Plane, keep: Plane) -> Plane:
        """Write the crisp `mean` into `styled`; gives the new contrast of areas, [h, w, 4]."""
        spare, work = self._spare, self._spare["work"]
        self._bands(mean, spare["soft"], spare["fine"])
        self._bands(styled, spare["soft wanted"], spare["fine wanted"])
        sums = []
        for band in ("soft", "fine"):
            for other in (f"{band} wanted", band):
                sums.append(areas(cv.multiply(spare[other], spare[band], dst=work)))
        found = blend(mean3(np.dstack(sums)), contrast, keep[..., None])
        gain = (found[..., ::2] + FAINT) / (found[..., 1::2] + FAINT) - 1
        gain = np.clip(gain, 0, MOST_GAIN)
        np.copyto(styled, mean)
        for index, band in enumerate(("soft", "fine")):
            enlarged(np.ascontiguousarray(gain[..., index]), self._size, work)
            cv.accumulateProduct(spare[band], work, styled)
        np.clip(styled, 0, 1, out=styled)
        return found

    def _bands(self, plane: Plane, soft: Plane, fine: Plane) -> None:
        enlarged(areas(plane), self._size, fine)
        cv.subtract(plane, fine, dst=fine)
        mean3(fine, soft)
        cv.subtract(fine, soft, dst=fine)


def _multiply_add(plane: Plane, factor: Plane, offset: Plane, work: Plane) -> None:
    """plane ← plane · factor + offset; the latter two are of areas."""
    cv.multiply(plane, enlarged(factor, plane.shape, work), dst=plane)
    cv.add(plane, enlarged(offset, plane.shape, work), dst=plane)


def _plane(size: tuple[int, ...]) -> Plane:
    return np.zeros(size, np.float32)


def _same(plane: Plane, other: Plane) -> bool:
    """Whether two planes are equal; a few pixels tell it of most that aren't."""
    return np.array_equal(plane[..., ::16, ::16], other[..., ::16, ::16]) and np.array_equal(plane, other)


def _copy_out(planes: dict[str, Plane], frame: Planes) -> None:
    np.copyto(frame.luma, planes["luma"])
    np.copyto(frame.chroma, planes["chroma"])
    if frame.line is not None:
        np.copyto(frame.line, planes["line"])

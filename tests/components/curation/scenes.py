"""Scenes to tell captions of."""

from components.data.synthetic.scene import Kinds, Scene, SceneOptions, compose


def some_scenes(count: int) -> list[Scene]:
    options = SceneOptions(things=(1, 4))
    kinds = Kinds.of(options, 0)
    return [compose(0, index, options, kinds) for index in range(count)]

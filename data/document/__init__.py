"""Where a picture shows digits: from grey values to strokes, and from strokes to digits.

In the order of the work: `desk`, `page`, `outlines`, `beyond` and `perspective` find sheets and lay
them flat; `paper`, `ink`, `finer_ink` and `halftone` tell what is ink; `printed` and `cells` what
was there before anybody wrote, `rulings` and `clutter` what else is none of the writing;
`components`, `segment`, `touching` and `strings` what belongs to one digit; `render` draws it as
MNIST drew its own.
`reading` puts strokes through all that, and `data.normalise` pictures.
"""

"""What is recorded of a published dataset and its files."""

import dataclasses
import os


@dataclasses.dataclass(frozen=True)
class Unpack:
    """What to take out of an archive.

    Attributes:
      patterns: shell patterns of the wanted members' paths.
      folder: where they go, relative to the data root, without folders of their own.
      num_files: number of wanted members, None for any.
    """

    patterns: tuple[str, ...]
    folder: str
    num_files: int | None


@dataclasses.dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes:
      path: where it lies, relative to the data root.
      urls: addresses, tried in order; none if it has to be fetched by hand.
      size: exact number of bytes, None if it is not known.
      about: roughly the number of bytes, where the exact one is not known.
      checksums: algorithm ("sha256", "md5", "git_blob") -> hexadecimal digest.
      strictness: "strict" if a file with another checksum is refused; "warn" if the
        checksum is of an older release, which may hold the same images in other bytes.
      unpack: what to take out of it; the archive itself is then not kept.
      or_else: other files with the same content, any of which does as well.
    """

    path: str
    urls: tuple[str, ...] = ()
    size: int | None = None
    about: int | None = None
    checksums: dict[str, str] = dataclasses.field(default_factory=dict)
    strictness: str = "strict"
    unpack: Unpack | None = None
    or_else: tuple["File", ...] = ()

    @property
    def name(self):
        """Name without its folder."""
        return os.path.basename(self.path)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A published data set.

    Attributes:
      name: the name of `dataset.name`.
      description: what it shows, in one line.
      factors: name of each ground-truth factor -> number of its values.
      num_images: number of images in the files, None if it is not known.
      image_shape: (height, width, channels) of the images in the files.
      licence: its name, or what is known of it.
      citation: whom to cite, with an address.
      files: all files it needs.
      terms: what one accepts by using it, empty if the licence says all.
      needs_consent: whether the terms must be accepted before a download.
      by_hand: how to get files that have no address, empty if all have one.
      notes: what else to know about it.
      twin: the rendered data set with the same factors, empty if there is none.
    """

    name: str
    description: str
    factors: dict[str, int]
    num_images: int | None
    image_shape: tuple[int, int, int]
    licence: str
    citation: str
    files: tuple[File, ...]
    terms: str = ""
    needs_consent: bool = False
    by_hand: str = ""
    notes: str = ""
    twin: str = ""

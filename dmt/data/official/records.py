"""Records of published datasets and their files."""

import dataclasses
import os


@dataclasses.dataclass(frozen=True)
class Unpack:
    """The files to extract from an archive.

    Attributes:
        patterns: shell patterns of the wanted members' paths.
        folder: folder that the members are written to, relative to the data root.
        num_files: number of wanted members, None for any.
    """

    patterns: tuple[str, ...]
    folder: str
    num_files: int | None


@dataclasses.dataclass(frozen=True)
class File:
    """One file of a dataset.

    Attributes:
        path: path of the file, relative to the data root.
        urls: addresses, which are tried in order; empty if the file must be downloaded
            by hand.
        size: exact number of bytes, None if it is not known.
        about: rough number of bytes, if the exact one is not known.
        checksums: algorithm ("sha256", "md5", "git_blob") -> hexadecimal digest.
        strictness: "strict" if a file with another checksum is refused; "warn" if the
            checksum is of an older release, which may hold the same images in other
            bytes.
        unpack: what to extract from the file, if it is an archive that is not kept.
        or_else: other files with the same content, which may replace it.
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
    def name(self) -> str:
        """Name without its folder."""
        return os.path.basename(self.path)

    @property
    def forms(self) -> tuple["File", ...]:
        """The file and the other files that may replace it."""
        return (self, *self.or_else)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A published dataset.

    Attributes:
        name: value of `dataset.name` in gin files.
        description: one line about the images.
        factors: name of each ground-truth factor -> number of its values.
        num_images: number of images in the files, None if it is not known.
        image_shape: (height, width, channels) of the images in the files.
        licence: name of the licence, or what is known about it.
        citation: publication to cite, with an address.
        files: all files of the dataset.
        terms: conditions besides the licence, may be empty.
        needs_consent: whether the terms must be accepted before a download.
        by_hand: how to get files that have no address, empty if all have one.
        notes: what else a user should know, may be empty.
        twin: the rendered dataset with the same factors, empty if there is none.
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

"""Client of foldbook: records and series of quant research as Arrow, pandas and polars."""

from .client import Client
from .errors import FoldbookError, FoldbookWarning
from .events import Message
from .frames import Frame, Listing

__all__ = ["Client", "FoldbookError", "FoldbookWarning", "Frame", "Listing", "Message"]

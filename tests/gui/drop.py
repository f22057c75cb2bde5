"""Drops files on a window as a file manager does: the source's half of the XDND protocol, version 5
(freedesktop.org, "Drag-and-Drop Protocol for the X Window System"), by Xlib through ctypes, since
xdotool has no hand for it. Standard library only."""
import ctypes
import ctypes.util
import pathlib
import subprocess
import time

Atom = Time = Id = ctypes.c_ulong
CLIENT_MESSAGE, SELECTION_REQUEST, SELECTION_NOTIFY = 33, 30, 31


class ClientMessage(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int),
                ("display", ctypes.c_void_p), ("window", Id), ("message_type", Atom),
                ("format", ctypes.c_int), ("data", ctypes.c_long * 5)]


class SelectionRequest(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int),
                ("display", ctypes.c_void_p), ("owner", Id), ("requestor", Id), ("selection", Atom),
                ("target", Atom), ("property", Atom), ("time", Time)]


class Selection(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int),
                ("display", ctypes.c_void_p), ("requestor", Id), ("selection", Atom),
                ("target", Atom), ("property", Atom), ("time", Time)]


class Event(ctypes.Union):
    _fields_ = [("type", ctypes.c_int), ("message", ClientMessage), ("request", SelectionRequest),
                ("selection", Selection), ("pad", ctypes.c_long * 24)]


def open_display(name):
    x = ctypes.CDLL(ctypes.util.find_library("X11") or "libX11.so.6")
    x.XOpenDisplay.restype = ctypes.c_void_p
    x.XDefaultRootWindow.argtypes = [ctypes.c_void_p]
    x.XDefaultRootWindow.restype = Id
    x.XCreateSimpleWindow.argtypes = [ctypes.c_void_p, Id] + [ctypes.c_int] * 2 + [
        ctypes.c_uint] * 3 + [ctypes.c_ulong] * 2
    x.XCreateSimpleWindow.restype = Id
    x.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
    x.XInternAtom.restype = Atom
    x.XSetSelectionOwner.argtypes = [ctypes.c_void_p, Atom, Id, Time]
    x.XSendEvent.argtypes = [ctypes.c_void_p, Id, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
    x.XChangeProperty.argtypes = [ctypes.c_void_p, Id, Atom, Atom, ctypes.c_int, ctypes.c_int,
                                  ctypes.c_char_p, ctypes.c_int]
    x.XNextEvent.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    for call in x.XPending, x.XFlush, x.XCloseDisplay:
        call.argtypes = [ctypes.c_void_p]
    display = x.XOpenDisplay(name.encode())
    if not display:
        raise RuntimeError(f"no display {name}")
    return x, display


class Source:
    """A window that files are dragged out of."""

    def __init__(self, display_name, target):
        self.x, self.display = open_display(display_name)
        self.target = target
        root = self.x.XDefaultRootWindow(self.display)
        self.window = self.x.XCreateSimpleWindow(self.display, root, 0, 0, 1, 1, 0, 0, 0)

    def atom(self, name):
        return self.x.XInternAtom(self.display, name.encode(), False)

    def send(self, name, *data):
        event = Event()
        event.message = ClientMessage(CLIENT_MESSAGE, 0, 1, self.display, self.target,
                                      self.atom(name), 32,
                                      (ctypes.c_long * 5)(self.window, *data))
        self.x.XSendEvent(self.display, self.target, False, 0, ctypes.byref(event))
        self.x.XFlush(self.display)

    def answer(self, request, content):
        self.x.XChangeProperty(self.display, request.requestor, request.property, request.target, 8,
                               0, content, len(content))
        event = Event()
        event.selection = Selection(SELECTION_NOTIFY, 0, 1, self.display, request.requestor,
                                    request.selection, request.target, request.property,
                                    request.time)
        self.x.XSendEvent(self.display, request.requestor, False, 0, ctypes.byref(event))
        self.x.XFlush(self.display)

    def wait(self, name, content, patience):
        """The target's message of that name; meanwhile hands over what it asks for."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if not self.x.XPending(self.display):
                time.sleep(0.01)
                continue
            event = Event()
            self.x.XNextEvent(self.display, ctypes.byref(event))
            if event.type == SELECTION_REQUEST:
                self.answer(event.request, content)
            if event.type == CLIENT_MESSAGE and event.message.message_type == self.atom(name):
                return event.message.data
        raise RuntimeError(f"the window did not answer with {name}")

    def close(self):
        self.x.XCloseDisplay(self.display)


def drop(window, paths, at=(400, 300), patience=60):
    """Drops files on a drive.Window, at a point of the screen."""
    found = subprocess.run(["xdotool", "search", "--all", "--pid", str(window.process.pid),
                            "--name", "Keepsake"], env=window.environment,
                           check=True, capture_output=True, text=True).stdout.split()
    source = Source(window.environment["DISPLAY"], int(found[-1]))
    content = "".join(pathlib.Path(path).absolute().as_uri() + "\r\n" for path in paths).encode()
    try:
        source.x.XSetSelectionOwner(source.display, source.atom("XdndSelection"), source.window, 0)
        source.send("XdndEnter", 5 << 24, source.atom("text/uri-list"), 0, 0)
        source.send("XdndPosition", 0, at[0] << 16 | at[1], 0, source.atom("XdndActionCopy"))
        status = source.wait("XdndStatus", content, patience)
        if not status[1] & 1:
            raise RuntimeError("the window takes no files here")
        source.send("XdndDrop", 0, 0, 0, 0)
        source.wait("XdndFinished", content, patience)
    finally:
        source.close()

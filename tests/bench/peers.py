# SPDX-License-Identifier: GPL-3.0-or-later
"""The peers that Aptward is measured and attacked beside, each from the distribution's package, run
privately: own configuration, cache and port, never the system's service."""
import getpass
import itertools
import os
import pathlib
import re
import shutil
import socket
import subprocess

from node import until

root = pathlib.Path(__file__).resolve().parents[2]
# apt-cacher-ng cannot use ports above 32767; the kernel gives those below to nobody.
candidates = itertools.cycle(range(21_000 + os.getpid() % 5000, 32_000))


def low_port(address="127.0.0.1"):
    """A free port below 32768; never the same twice in a row."""
    for port in itertools.islice(candidates, 11_000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def unpack(package):
    """The package and the libraries that it depends on, unpacked below build/peers and installed nowhere:
    no service starts. Gives the folder and the version."""
    folder = root / "build/peers" / package
    if not (folder / "version").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        depends = subprocess.run(["apt-cache", "depends", "--important", package], text=True, check=True,
                                 capture_output=True).stdout
        names = [package, *(name for name in re.findall(r"Depends: (lib[^ <\n]+)", depends)
                            if not name.startswith(("libc6", "libgcc", "libstdc++")))]
        subprocess.run(["apt-get", "download", "-q", *names], cwd=folder, check=True, capture_output=True)
        for deb in folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", deb, folder / "files"], check=True)
        (deb,) = folder.glob(f"{package}_*.deb")
        (folder / "version").write_text(deb.name.split("_")[1].replace("%3a", ":"))
        for deb in folder.glob("*.deb"):
            deb.unlink()
    return folder / "files", (folder / "version").read_text()


def version_of(package):
    return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], text=True, check=True,
                          capture_output=True).stdout


class Peer:
    """`prefix` is a command that starts the program (taskset)."""
    process = port = None
    address = "127.0.0.1"

    def start(self, command, prefix=(), **more):
        self.process = subprocess.Popen([*prefix, *command], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, **more)
        until(f"{type(self).__name__} listens", self.listens)

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.address, self.port)) == 0

    @property
    def pid(self):
        return self.process.pid

    @property
    def url(self):
        return f"http://{self.address}:{self.port}"

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Nginx(Peer):
    """Its best configuration for files: sendfile, tcp_nopush, open_file_cache, no log. `certificate` adds
    a TLS listener. As an origin (`log`: a file that gets the moment of every answer) it caches no
    descriptors, so that a new generation is seen at once."""

    def __init__(self, folder, www, certificate=None, log=None, prefix=(), address="127.0.0.1", port=None):
        folder.mkdir()
        self.address, self.port, self.tls_port = address, port or low_port(address), low_port()
        tls = f"""listen 127.0.0.1:{self.tls_port} ssl; ssl_certificate {certificate};
            ssl_certificate_key {certificate}; ssl_protocols TLSv1.3; ssl_session_cache shared:a:1m;"""
        cache = "open_file_cache max=10000 inactive=600s; open_file_cache_valid 600s;"
        (folder / "nginx.conf").write_text(f"""
            worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error crit;
            worker_rlimit_nofile 16000; events {{ worker_connections 15000; use epoll; }}
            http {{
                log_format moments '$msec $status $uri'; access_log {f"{log} moments" if log else "off"};
                sendfile on; tcp_nopush on; tcp_nodelay on; {"" if log else cache}
                keepalive_requests 100000000; keepalive_timeout 600s;
                types {{ }} default_type application/octet-stream;
                client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
                fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
                server {{ listen {address}:{self.port}; {tls if certificate else ""} root {www}; }}
            }}
            """)
        self.start(["/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf"], prefix)

    @property
    def tls_url(self):
        return f"https://127.0.0.1:{self.tls_port}"


class NginxCache(Peer):
    """In front of one upstream, as administrators set it up to outlive outages: whatever was fetched is served
    when the upstream is not well. It checks nothing. Packages are kept, all else is asked for again after
    `fresh`."""

    def __init__(self, folder, upstream, fresh):
        folder.mkdir()
        self.port = low_port()
        user = "user root;" if os.geteuid() == 0 else ""  # the folder is the starter's alone
        (folder / "nginx.conf").write_text(f"""
            {user} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error crit;
            events {{ worker_connections 500; }}
            http {{
                access_log off; types {{ }} default_type application/octet-stream;
                client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
                fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
                proxy_cache_path {folder}/cache keys_zone=archive:10m inactive=30d;
                proxy_cache archive; proxy_cache_lock on; proxy_cache_revalidate on; proxy_connect_timeout 3s;
                proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;
                server {{
                    listen 127.0.0.1:{self.port};
                    location / {{ proxy_pass {upstream}; proxy_cache_valid 200 {fresh}; }}
                    location ~ \\.deb$ {{ proxy_pass {upstream}; proxy_cache_valid 200 30d; }}
                }}
            }}
            """)
        self.start(["/usr/sbin/nginx", "-p", folder, "-c", folder / "nginx.conf"])


class CacherNg(Peer):
    """`tools` is what unpack("apt-cacher-ng") gave. It is a proxy, and serves /HOST:PORT/path as well.
    `rules` are further lines of its configuration, `lists` the files of backends that they name."""

    def __init__(self, folder, tools, prefix=(), rules=(), lists=None):
        (library,) = tools.rglob("libsupacng.so")
        libraries = ":".join({str(file.parent) for file in tools.rglob("lib*.so*")})
        for part in ("conf", "cache", "log"):
            (folder / part).mkdir(parents=True)
        self.port = low_port()
        (folder / "conf/acng.conf").write_text(
            f"CacheDir: {folder}/cache\nLogDir: {folder}/log\nSupportDir: {library.parent}\n"
            f"BindAddress: 127.0.0.1\nPort: {self.port}\nPidFile: {folder}/pid\n"
            f"SocketPath: {folder}/socket\nForeGround: 1\nAllowUserPorts: 0\nVerboseLog: 0\n"
            + "".join(f"{line}\n" for line in rules))
        for name, content in (lists or {}).items():
            (folder / "conf" / name).write_text(content)
        self.start([tools / "usr/sbin/apt-cacher-ng", "-c", folder / "conf"], prefix,
                   env={**os.environ, "LD_LIBRARY_PATH": libraries})

    def stop(self):
        self.process.kill()
        self.process.wait()


class Approx(Peer):
    """A process for each connection, started as systemd's approx.socket does: `/test/` is the upstream."""

    def __init__(self, folder, tools, upstream, prefix=()):
        (folder / "cache").mkdir(parents=True)
        user = getpass.getuser()
        (folder / "conf").write_text(f"$cache {folder}/cache\n$interval 60\n$user {user}\n$group {user}\n"
                                     f"test {upstream}\n")
        self.port = low_port()
        self.start(["systemd-socket-activate", f"--listen=127.0.0.1:{self.port}", "--accept", "--inetd",
                    tools / "usr/sbin/approx", "-c", folder / "conf"], prefix)

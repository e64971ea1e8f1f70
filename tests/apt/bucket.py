# SPDX-License-Identifier: GPL-3.0-or-later
"""One bucket of an S3-compatible service, which checks what it is sent and can misbehave; and a client of any
such service. Signature Version 4 as its specification has it, written without a look at the node's own."""
import calendar
import email.utils
import hashlib
import hmac
import http.client
import http.server
import threading
import time
import urllib.parse

ACCESS, SECRET = "ACCESSOFTESTS", "secret/of+tests"
REGION = "us-east-1"
ALLOWED_SKEW = 15 * 60


def signature(secret, method, path, query, headers, signed, payload, moment, region):
    """`headers`: lower-case names; `signed`: those that count."""
    pairs = sorted((urllib.parse.quote(k, safe="-_.~"), urllib.parse.quote(v, safe="-_.~"))
                   for k, v in urllib.parse.parse_qsl(query, keep_blank_values=True))
    lines = [method, path, "&".join(f"{k}={v}" for k, v in pairs)]
    lines += [f"{name}:{' '.join(headers[name].split())}" for name in signed] + ["", ";".join(signed), payload]
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256("\n".join(lines).encode()).hexdigest()])
    key = b"AWS4" + secret.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class BucketClient:
    """What a test does in a bucket of any service."""

    def __init__(self, url, bucket="aptward", access=ACCESS, secret=SECRET):
        self.host, self.bucket, self.access, self.secret = url.split("//")[1], bucket, access, secret

    def ask(self, method, key="", body=b"", query=""):
        path = urllib.parse.quote(f"/{self.bucket}" + (f"/{key}" if key else ""))
        moment, payload = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), hashlib.sha256(body).hexdigest()
        headers = {"host": self.host, "x-amz-content-sha256": payload, "x-amz-date": moment}
        signed = sorted(headers)
        proof = signature(self.secret, method, path, query, headers, signed, payload, moment, REGION)
        headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={self.access}/{moment[:8]}/{REGION}/s3/aws4_request, "
                                    f"SignedHeaders={';'.join(signed)}, Signature={proof}")
        connection = http.client.HTTPConnection(self.host, timeout=30)
        connection.request(method, path + (f"?{query}" if query else ""), body, headers)
        answer = connection.getresponse()
        answer.content = answer.read()
        connection.close()
        return answer

    def make(self):
        assert self.ask("PUT").status == 200

    def keys(self):
        text = self.ask("GET", query="list-type=2").content.decode()
        return [part.split("</Key>")[0] for part in text.split("<Key>")[1:]]

    def get(self, key):
        answer = self.ask("GET", key)
        return answer.content if answer.status == 200 else None

    def empty(self):
        for key in self.keys():
            assert self.ask("DELETE", key).status == 204

    def remove(self):
        self.empty()
        assert self.ask("DELETE").status == 204


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def refuse(self, status, code, message="no"):
        body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
        self.say(status, body.encode())

    def say(self, status, body=b"", **headers):
        self.send_response(status)  # with a Date, by this machine's clock
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def is_signed(self, payload):
        """True, or the code of what is wrong."""
        given = self.headers.get("Authorization", "")
        if not given.startswith("AWS4-HMAC-SHA256 "):
            return "AccessDenied"
        fields = dict(part.strip().split("=", 1) for part in given.split(" ", 1)[1].split(","))
        access, day, region, *rest = fields["Credential"].split("/")
        headers = {name.lower(): value for name, value in self.headers.items()}
        signed, moment = fields["SignedHeaders"].split(";"), headers["x-amz-date"]
        assert rest == ["s3", "aws4_request"] and moment.startswith(day) and signed == sorted(signed)
        assert "host" in signed and all(name in signed for name in headers if name.startswith("x-amz-"))
        if access != self.server.owner.access:
            return "InvalidAccessKeyId"
        path, _, query = self.path.partition("?")
        if signature(self.server.owner.secret, self.command, path, query, headers, signed, payload, moment,
                     region) != fields["Signature"]:
            return "SignatureDoesNotMatch"
        skew = self.server.owner.now() - calendar.timegm(time.strptime(moment, "%Y%m%dT%H%M%SZ"))
        return True if abs(skew) < ALLOWED_SKEW else "RequestTimeTooSkewed"

    def answer(self):
        bucket = self.server.owner
        path = urllib.parse.unquote(self.path.partition("?")[0])
        key = path.removeprefix(f"/{bucket.name}").removeprefix("/")
        bucket.requests.append((self.command, key))
        fault = bucket.fault(self.command, key)
        if fault == "stall":
            bucket.stopping.wait()
        if fault in ("stall", "hang up") or bucket.is_dead:
            self.close_connection = True
            return
        length = int(self.headers.get("Content-Length", 0))
        if fault == "cut":
            self.rfile.read(length // 2)
            self.connection.close()
            self.close_connection = True
            return
        body = self.rfile.read(length)
        if isinstance(fault, float):
            bucket.stopping.wait(fault)
        if isinstance(fault, tuple):
            return self.refuse(*fault)
        promised = self.headers.get("x-amz-content-sha256", "")
        proof = self.is_signed(promised)
        if proof is not True:
            return self.refuse(403, proof)
        if hashlib.sha256(body).hexdigest() != promised:
            return self.refuse(400, "XAmzContentSHA256Mismatch")
        if not bucket.is_there or not f"{path}/".startswith(f"/{bucket.name}/"):
            return self.refuse(404, "NoSuchBucket")
        if bucket.denies(self.command, key or "?"):
            return self.refuse(403, "AccessDenied", "not for you")
        if not key:
            return self.list(urllib.parse.parse_qs(self.path.partition("?")[2]))
        if self.command == "PUT":
            if fault != "forget":
                bucket.objects[key] = body
                bucket.modified[key] = bucket.now()
            return self.say(200)
        if self.command == "DELETE":
            bucket.objects.pop(key, None)
            return self.say(204)
        if key not in bucket.objects:
            if bucket.is_silent_of_absence:
                return self.refuse(403, "AccessDenied", "not for you")
            return self.refuse(404, "NoSuchKey")
        content = bucket.objects[key]
        marks = {"Last_Modified": email.utils.formatdate(bucket.modified.get(key, 0), usegmt=True),
                 "ETag": f'"{hashlib.md5(content).hexdigest()}"'}
        given = self.headers.get("Range")
        if given:
            first = int(given.removeprefix("bytes=").rstrip("-"))
            return self.say(206, content[first:],
                            Content_Range=f"bytes {first}-{len(content) - 1}/{len(content)}", **marks)
        return self.say(200, content, **marks)

    def list(self, query):
        """As ListObjectsV2; what is hidden is not there yet, or still."""
        bucket = self.server.owner
        assert self.command == "GET" and query["list-type"] == ["2"]
        prefix, after, most = (query.get(name, [""])[0] for name in ("prefix", "start-after", "max-keys"))
        shown = {key: content for key, content in list(bucket.objects.items()) if key not in bucket.hidden}
        shown.update(bucket.ghosts)
        keys = sorted(key for key in shown if key.startswith(prefix) and key > after)
        page = keys[:min(int(most), bucket.page)]
        text = "".join(
            f"<Contents><Key>{key}</Key><LastModified>"
            f"{time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime(bucket.modified.get(key, 0)))}</LastModified>"
            f"<ETag>&quot;x&quot;</ETag><Size>{len(shown[key])}</Size><Owner><ID>1</ID></Owner></Contents>"
            for key in page)
        self.say(200, ('<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/'
                       f'2006-03-01/"><Name>{bucket.name}</Name><Prefix>{prefix}</Prefix><IsTruncated>'
                       f'{str(len(page) < len(keys)).lower()}</IsTruncated>{text}</ListBucketResult>').encode())

    do_GET = do_HEAD = do_PUT = do_DELETE = answer


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # who hangs up in the middle


class Bucket:
    """`fault`: (method, key) -> None, "stall", "hang up", "cut", "forget" (of a put), seconds as a float, or a
    refusal (status, code). `denies`: (method, key) -> whether the keys may not do that; a list has the key "?".
    `tls`: a context, for https."""

    def __init__(self, name="aptward", tls=None):
        self.tls = tls
        self.name, self.access, self.secret = name, ACCESS, SECRET
        self.objects, self.is_there, self.requests = {}, True, []
        self.modified, self.page = {}, 1000  # when each came; objects in one answer to a list
        self.hidden, self.ghosts = set(), {}  # what a list does not show yet, and what it shows still
        self.denies, self.is_silent_of_absence = lambda method, key: False, False
        self.fault, self.now = lambda method, key: None, time.time
        self.stopping, self.is_dead = threading.Event(), False
        self.listen()

    def listen(self, port=0):
        self.is_dead = False
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.owner, self.port = self, self.server.server_address[1]
        if self.tls:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def die(self):
        self.is_dead = True  # also on connections that are open
        self.server.shutdown()
        self.server.server_close()

    def revive(self):
        self.listen(self.port)

    def close(self):
        self.stopping.set()
        self.die()

    def blobs(self):
        return {key: content for key, content in self.objects.items() if key.startswith("sha256/")}

    def asked(self, method, word=""):
        return [key for how, key in list(self.requests) if how == method and word in key]

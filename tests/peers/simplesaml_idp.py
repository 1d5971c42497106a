"""SimpleSAMLphp of the Debian package as a SAML 2.0 identity provider, under PHP's own web server.

Argument: one JSON object with port, key, certificate, sp_entity_id, acs_url, slo_url, sp_certificate (paths where they are
files), encrypt (true or false) and person {email, name, groups}, who signs in as `ada` with the password `secret`. It
verifies signed requests and has single logout. Prints one line when it listens.
"""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

settings = json.loads(sys.argv[1])
base = f"http://127.0.0.1:{settings['port']}/"
folder = os.getcwd()
for name in ("config", "metadata", "cert", "logs", "tmp", "data", "sessions"):
    os.makedirs(os.path.join(folder, name), exist_ok=True)
shutil.copy(settings["key"], os.path.join(folder, "cert", "idp.key"))
shutil.copy(settings["certificate"], os.path.join(folder, "cert", "idp.crt"))
with open(settings["sp_certificate"]) as file:
    service_certificate = "".join(line for line in file.read().splitlines() if "-----" not in line)


def php(value):
    """A value as PHP writes it."""
    if isinstance(value, dict):
        return "[" + ", ".join(f"{php(key)} => {php(inner)}" for key, inner in value.items()) + "]"
    if isinstance(value, list):
        return "[" + ", ".join(php(inner) for inner in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def write(path, text):
    with open(os.path.join(folder, path), "w") as file:
        file.write(f"<?php\n{text}\n")


def place(name):
    return os.path.join(folder, name) + "/"


config = {
    "baseurlpath": base,
    "certdir": place("cert"),
    "loggingdir": place("logs"),
    "datadir": place("data"),
    "tempdir": os.path.join(folder, "tmp"),
    "metadatadir": place("metadata"),
    "technicalcontact_email": "nobody@example.org",
    "secretsalt": "a salt of a test, which is no secret",
    "auth.adminpassword": "unused",
    "timezone": "UTC",
    "enable.saml20-idp": True,
    "session.cookie.secure": False,
    "session.cookie.name": "SSPSession",
    "session.cookie.lifetime": 0,
    "session.cookie.path": "/",
    "session.cookie.domain": None,
    "session.phpsession.cookiename": "SSPPhp",
    "session.phpsession.savepath": os.path.join(folder, "sessions"),
    "session.phpsession.httponly": True,
    "session.authtoken.cookiename": "SSPAuth",
    "session.duration": 28800,
    "session.datastore.timeout": 14400,
    "session.state.timeout": 3600,
    "store.type": "phpsession",
    "logging.handler": "file",
    "logging.level": 7,
    "metadata.sources": [{"type": "flatfile"}],
    "module.enable": {"exampleauth": True, "core": True, "saml": True},
    "language.available": ["en"],
    "language.default": "en",
    "language.rtl": [],
    "theme.use": "default",
    "trusted.url.domains": [],
    "production": True,
    "usenewui": False,
    "errorreporting": False,
    "showerrors": True,
}
person = settings["person"]
attributes = {"mail": [person["email"]], "displayName": [person["name"]], "groups": person["groups"]}
email_format = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
provider = {
    "host": "__DEFAULT__",
    "privatekey": "idp.key",
    "certificate": "idp.crt",
    "auth": "people",
    "NameIDFormat": email_format,
    "sign.logout": True,
    "redirect.validate": True,
    "validate.authnrequest": True,
    "validate.logout": True,
    "logouttype": "traditional",
    "signature.algorithm": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
}
service = {
    "AssertionConsumerService": settings["acs_url"],
    "SingleLogoutService": settings["slo_url"],
    "NameIDFormat": email_format,
    "certData": service_certificate,
    "saml20.sign.assertion": True,
    "saml20.sign.response": True,
    "assertion.encryption": settings["encrypt"],
    "redirect.validate": True,
}
write("config/config.php", f"$config = {php(config)};")
user_list = f"['exampleauth:UserPass', 'ada:secret' => {php(attributes)}]"
write("config/authsources.php", f"$config = ['people' => {user_list}];")
name_id = f"[3 => ['class' => 'saml:AttributeNameID', 'attribute' => 'mail', 'Format' => {php(email_format)}]]"
write(
    "metadata/saml20-idp-hosted.php",
    f"$metadata[{php(base + 'saml2/idp/metadata.php')}] = {php(provider)} + ['authproc' => {name_id}];",
)
write("metadata/saml20-sp-remote.php", f"$metadata[{php(settings['sp_entity_id'])}] = {php(service)};")


def ends_with_us():
    """PHP ends when this program is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


server = subprocess.Popen(
    ["php", "-d", "display_errors=0", "-d", "error_reporting=0", "-S", f"127.0.0.1:{settings['port']}"]
    + ["-t", "/usr/share/simplesamlphp/www"],
    env={**os.environ, "SIMPLESAMLPHP_CONFIG_DIR": os.path.join(folder, "config")},
    stdout=sys.stderr,
    preexec_fn=ends_with_us,
)
while server.poll() is None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", settings["port"])) == 0:
            print("listening", flush=True)
            break
    time.sleep(0.05)
sys.exit(server.wait())

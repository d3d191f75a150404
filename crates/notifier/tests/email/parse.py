"""Reads mails with Python's own library, and says as JSON what a reader of mail would see."""

import email
import email.policy
import json
import sys


def addresses(header):
    return [[address.display_name, address.addr_spec] for address in header.addresses]


def part(one):
    return {
        "type": one.get_content_type(),
        "charset": one.get_content_charset(),
        "disposition": one.get_content_disposition(),
        "content": one.get_content(),
    }


def read(path):
    with open(path, "rb") as file:
        raw = file.read()
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    problems = [str(defect) for one in mail.walk() for defect in one.defects]
    problems += [str(defect) for _, value in mail.items() for defect in value.defects]
    return {
        "type": mail.get_content_type(),
        "headers": [[name, str(value)] for name, value in mail.items()],
        "from": addresses(mail["From"]),
        "to": addresses(mail["To"]),
        "date": mail["Date"].datetime.isoformat(),
        "parts": [part(one) for one in mail.iter_parts()],
        "problems": problems,
        "widest": max(len(line) for line in raw.split(b"\r\n")),
        "is_ascii": raw.isascii(),
    }


print(json.dumps([read(path) for path in sys.argv[1:]]))

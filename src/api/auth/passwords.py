"""Local passwords: argon2id, in threads, at most two at a time, and as slow for nobody as for somebody."""

import asyncio
import secrets

import argon2

from mcphub.domain.errors import WeakPassword

SHORTEST, LONGEST = 12, 1024  # characters
# 32 MiB and about 80 ms on one core of 2024; two at a time bound what a flood of sign-ins can take.
HASHER = argon2.PasswordHasher(time_cost=3, memory_cost=32 * 1024, parallelism=1)
AT_ONCE = 2


def check_strength(password: str, username: str) -> None:
    """
    Raises:
        WeakPassword: too short, too long, all one character, or the user's name.
    """
    if not SHORTEST <= len(password) <= LONGEST or len(set(password)) < 4:
        raise WeakPassword
    if username and username.casefold() in password.casefold() and len(password) < len(username) + SHORTEST:
        raise WeakPassword


class Passwords:
    """Hashes and verifies beside the event loop."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        async with self._slots:
            return await asyncio.to_thread(HASHER.hash, password)

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Does the password fit? With no hash the same work is done, and the answer is no."""
        async with self._slots:
            if hashed is None and self._nobody is None:
                self._nobody = await asyncio.to_thread(HASHER.hash, secrets.token_urlsafe())
            fits = await asyncio.to_thread(_verify, hashed or self._nobody or "", password[: LONGEST + 1])
        return fits and hashed is not None


def _verify(hashed: str, password: str) -> bool:
    try:
        return HASHER.verify(hashed, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False

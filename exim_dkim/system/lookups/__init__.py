"""The look-up types that ask something outside: databases, name servers, the system's users."""

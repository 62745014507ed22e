"""Filters for Sendmail and Postfix, over the milter protocol: SPF and Sender ID, DomainKeys, DKIM."""

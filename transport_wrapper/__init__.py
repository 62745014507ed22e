"""`exim-dkim-filter`: signs a message on its way out of Exim (`transport_filter`).

Start-up is its latency, for it runs once a message: nothing here imports more than signing needs
(`tests/test_start_up.py`).
"""

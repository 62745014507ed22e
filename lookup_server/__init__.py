"""The look-up server: what Exim asks with `${readsocket`, answered by the engine. ARCHITECTURE.md has the map."""

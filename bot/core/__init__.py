"""The application: what can be asked of Sonneteer, without knowing who asks."""

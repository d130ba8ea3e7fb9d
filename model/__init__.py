"""The model side's door: numerics, synchronous, knowing nothing of Discord, HTTP or asyncio."""

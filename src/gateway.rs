//! Wires every service once and collects routes and tasks. It sees everything and decides nothing.

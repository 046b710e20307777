"""The science of Lethe: methods, attacks and gates, without orchestration, network or clock."""

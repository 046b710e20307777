"""What a workspace does otherwise whose model draws pictures: how it trains and judges one."""

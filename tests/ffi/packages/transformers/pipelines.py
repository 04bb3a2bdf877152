class PIPELINE_REGISTRY:
    @staticmethod
    def get_supported_tasks():
        return [
            "feature-extraction",
            "fill-mask",
            "text-classification",
            "text-generation",
            "token-classification",
            "zero-shot-classification",
        ]
